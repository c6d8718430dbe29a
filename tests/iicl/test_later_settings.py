"""Settings that came later: runs that leave them alone keep their names."""

from functools import partial

import pytest

from iicl import config
from iicl.protocols import Finetune, Linear, Retrieval


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (config.Clip, {"mel_scale": "slaney"}),
        (config.Clip, {"log_offset": 1e-9}),
        (config.Clip, {"framing": "squash"}),
        (config.Optimisation, {"optimiser": "adamw"}),
        (partial(Retrieval, corpus="a", seed=0), {"centred": True}),
        *(
            (partial(stage, corpus="a", seed=0), {"evaluate_on": "held_out"})
            for stage in (Retrieval, Linear, Finetune)
        ),
    ],
)
def test_later_settings_are_written_only_if_they_are_not_at_their_default(settings, value):
    """Runs of today's defaults keep the names that they had before there were these settings."""
    (name,) = value
    given = settings(**value)
    assert given.model_dump(mode="json")[name] == value[name]
    assert type(given).model_validate(given.model_dump()) == given
    default = settings()
    assert name not in default.model_dump(mode="json")
    assert settings(**{name: getattr(default, name)}).model_dump() == default.model_dump()


def test_later_settings_of_a_subclass_are_its_own_and_those_above_are_whole():
    class Base(config.Config):
        kept: int = 1

    class Grown(Base):
        added: int = 2
        LATER = frozenset({"added"})

    class Whole(config.Config):
        parts: tuple[Grown, ...] = (Grown(), Grown(added=3))

    assert Base().model_dump() == {"kept": 1}
    assert Whole().model_dump(mode="json") == {"parts": [{"kept": 1}, {"kept": 1, "added": 3}]}
    assert Whole().model_dump_json() == '{"parts":[{"kept":1},{"kept":1,"added":3}]}'


def test_only_classes_with_later_settings_are_written_by_a_function():
    """A plan writes thousands of settings, and calls from Rust to Python are most of its cost."""
    for settings in (config.Augmentation, config.Preparation, config.PretrainLength):
        assert not settings.LATER
        assert "function" not in repr(settings.__pydantic_serializer__).lower()
    assert "function" in repr(config.Clip.__pydantic_serializer__).lower()


def test_a_later_setting_must_be_one():
    with pytest.raises(KeyError, match="absent"):

        class Wrong(config.Config):
            LATER = frozenset({"absent"})
