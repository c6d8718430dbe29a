"""Which settings a run has, from its scale, its table, its row and its protocol."""

from collections.abc import Callable

from benchmarks.plan.graph import Plan
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.scale import Scale
from benchmarks.spec.table import PRETRAIN_KEYS, Settings, Table, overlay
from slurm.strict_yaml import SpecError

ENCODER_STAGES = ("pretrain", "features", "finetune")


def shared(plan: Plan, stage: str, clip: Settings) -> Settings:
    """The settings of a stage from the scale and the precision of a plan, and a row's clip."""
    settings: Settings = {}
    if stage in ENCODER_STAGES:
        settings = {"precision": plan.precision}
    if stage in ENCODER_STAGES or stage == "neighbours":
        settings["clip"] = overlay(plan.scale.clip, clip)
    return overlay(settings, plan.scale.stages.get(stage, {}))


def pretraining(plan: Plan, stages: Stages, table: Table, row: str, flat: Settings) -> Settings:
    """The nested settings of a pretraining: the table's flat ones over those of the scale.

    Args:
        plan: of the table.
        stages: knows the encoders.
        table: of the row.
        row: its name.
        flat: from :meth:`benchmarks.spec.table.Table.pretrain`.
    """
    scale = plan.scale
    flat = replaced(flat, scale, lambda name, message: table.setting_error(row, name, message))
    method = {k: v for k, v in flat.items() if k not in PRETRAIN_KEYS}
    others = {k: v for k, v in flat.items() if k in PRETRAIN_KEYS and k != "method"}
    of_corpus = scale.pretrain_on.get(flat["corpus"], {})
    of_scale = overlay(shared(plan, "pretrain", table.all_rows[row].clip), of_corpus)
    if isinstance(others.get("encoders"), dict) and "encoders" in of_scale:
        defaults = stages.default_encoders()
        sizes = _sizes_that_hold(of_scale["encoders"], others["encoders"], defaults)
        of_scale = {**of_scale, "encoders": sizes}
    return {
        **overlay(of_scale, others),
        "corpus": plan.corpora.serving(flat["corpus"]),
        "method": {"name": flat["method"], **method},
    }


def _sizes_that_hold(sizes: Settings, encoders: Settings, defaults: Settings) -> Settings:
    """The scale's sizes of encoders, without those of views that have another encoder in a row.

    Args:
        sizes: of the scale: ``VIEW: NAME`` names the encoder of a view, and ``VIEW_SETTING`` is a
            setting of it.
        encoders: of the row, written alike.
        defaults: view -> name of the encoder that it has unless another is named.
    """
    named = {view: sizes.get(view, default) for view, default in defaults.items()}
    changed = [view for view, name in named.items() if encoders.get(view, name) != name]

    def view_of(key: str) -> str:
        views = [view for view in defaults if key == view or key.startswith(f"{view}_")]
        return max(views, key=len, default="")

    return {key: value for key, value in sizes.items() if view_of(key) not in changed}


def replaced(settings: Settings, scale: Scale, error: Callable[[str, str], SpecError]) -> Settings:
    """Settings with the scale's values in place of the paper's.

    Args:
        settings: of a row or a protocol.
        scale: says which values stand for which.
        error: makes an error from the name of a setting and a message.
    """
    here = dict(settings)
    for name, values in scale.replace.items():
        if (value := here.get(name)) is None:
            continue
        if not isinstance(value, int) or value not in values:
            known = ", ".join(map(str, values))
            message = f"{name}: {value!r} has no value at scale {scale.scale} ({known})"
            raise error(name, message)
        here[name] = values[value]
    return here
