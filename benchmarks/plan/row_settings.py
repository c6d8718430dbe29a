"""Which settings a run has, from its scale, its table, its row and its protocol."""

from collections.abc import Callable, Mapping

from benchmarks.plan.graph import Plan
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.scale import Scale
from benchmarks.spec.table import PRETRAIN_KEYS, Settings, Table, overlay
from slurm.strict_yaml import SpecError

ENCODER_STAGES = ("pretrain", "features", "finetune", "pretext")


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
    of_corpus = scale.pretrain_on.get(flat["corpus"], {})
    of_scale = overlay(shared(plan, "pretrain", table.clip(row)), of_corpus)
    nested = overlay(of_method(scale, flat["method"]), as_nested(flat))
    settings = overlay(of_scale, nested)
    encoders = settings.get("encoders", {})
    if isinstance(encoders, dict):
        sizes = sizes_of(scale, encoders, stages.default_encoders())
        settings["encoders"] = overlay(sizes, encoders)
    return {**settings, "corpus": plan.corpora.serving(flat["corpus"])}


def of_method(scale: Scale, method: str) -> Settings:
    """The nested settings that a scale has for a method; none if it does not name the method."""
    known = scale.methods.get(method)
    return as_nested({"method": method, **known.settings}) if known is not None else {}


def as_nested(flat: Settings) -> Settings:
    """Flat settings of a pretraining with those of the method in a mapping of their own."""
    of_pretraining = {k: v for k, v in flat.items() if k in PRETRAIN_KEYS and k != "method"}
    method = {k: v for k, v in flat.items() if k not in PRETRAIN_KEYS}
    return {**of_pretraining, "method": {"name": flat["method"], **method}}


def sizes_of(scale: Scale, encoders: Settings, defaults: Mapping[str, str]) -> Settings:
    """The scale's sizes of the encoder of each view, written as a row writes them.

    Args:
        scale: has them by the name of the encoder.
        encoders: ``VIEW: NAME`` names the encoder of a view.
        defaults: view -> name of the encoder that it has unless another is named.
    """
    return {
        f"{view}_{key}": size
        for view, default in defaults.items()
        for key, size in _sizes(scale, encoders.get(view, default)).items()
    }


def _sizes(scale: Scale, encoder: object) -> Settings:
    return scale.encoders.get(encoder, {}) if isinstance(encoder, str) else {}


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
