"""Whether what a scale says of stages, methods and encoders exists, before a table asks for it."""

from benchmarks.plan import row_settings
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.scale import Scale
from benchmarks.spec.setting_errors import encoder_error, method_error


def check_scale(scale: Scale, stages: Stages) -> None:
    """Check the names of stages, methods and encoders, and the settings of the last two.

    Args:
        scale: the overlay.
        stages: knows which there are.

    Raises:
        SpecError: with file and line, at the first that does not exist.
    """
    for stage in scale.stages:
        if stage not in stages.STAGES:
            message = f"unknown stage {stage!r}; known: {', '.join(stages.STAGES)}"
            raise scale.error(("stages", stage), message)
    corpus = next(iter(scale.corpora))
    for method in scale.methods:
        settings = row_settings.of_method(scale, method)
        try:
            stages.resolve("pretrain", {**settings, "corpus": corpus, "seed": 0})
        except ValueError as problem:
            raise method_error(problem, scale, method) from None
    for encoder, sizes in scale.encoders.items():
        try:
            stages.check_encoder(encoder, sizes)
        except ValueError as problem:
            raise encoder_error(problem, scale, encoder) from None
