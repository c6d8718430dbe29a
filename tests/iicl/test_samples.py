import pytest

from iicl import views
from iicl.samples import (
    AUDIO,
    INDEX,
    LABEL,
    SOURCE,
    VIDEO,
    Sample,
    check_samples,
    drawn_views,
    plain,
    required_views,
    shuffled,
)

LATE = Sample("audio:late", time="apart", of="audio")


def test_the_view_is_what_stands_before_the_colon() -> None:
    assert [sample.view for sample in (VIDEO, AUDIO, LATE)] == ["video", "audio", "audio"]


@pytest.mark.parametrize(
    "samples",
    [
        (VIDEO, AUDIO, LABEL, INDEX, SOURCE),
        (AUDIO,),  # as if the video were there
        (VIDEO, AUDIO, LATE, Sample("audio:other", item="other", time="with", of="video")),
        (Sample("audio"), Sample("video", time="with", of="audio", stride=2, size=64)),
        (VIDEO, Sample("video:other", item="other", augmentation_of="video", num_frames=8)),
        (Sample("audio:other", item="other"), Sample("audio:1", time="apart", of="audio:other")),
    ],
)
def test_samples_that_go_together(samples: tuple[Sample, ...]) -> None:
    check_samples(samples)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((), "no samples are asked for"),
        ((VIDEO, AUDIO, VIDEO), "two samples have the name 'video'"),
        ((Sample("smell"),), f"no view named 'smell'; there are: {', '.join(views.names())}"),
        (
            (Sample("audio", stride=2),),
            r"view audio takes no stride \(got 2\); settings .* item, of",
        ),
        (
            (Sample("label", item="other"),),
            "view label takes no item .* settings of the view: none",
        ),
        (
            (Sample("video", stride=0),),
            "'video': stride must be a whole number of 1 or more, got 0",
        ),
        ((Sample("video", size=0),), "'video': size must be a whole number of 1 or more, got 0"),
        ((Sample("video", time="late"),), "time must be one of drawn, with, apart, got 'late'"),
        ((Sample("video", item="mine"),), "item must be one of own, other, got 'mine'"),
        ((Sample("video", time="with"),), "time 'with' and of None do not go together"),
        ((VIDEO, Sample("audio", of="video")), "time 'drawn' and of 'video' do not go together"),
        ((AUDIO, VIDEO), "'audio': of must name an earlier sample .* got 'video'; .*: none"),
        ((VIDEO, Sample("video:1", time="with", of="video:2")), "got 'video:2'; there are: video$"),
        ((Sample("video:1", time="with", of="video:1"),), "an earlier sample .* got 'video:1'"),
        ((LABEL, Sample("video", time="with", of="label")), "that takes time, got 'label'"),
        ((Sample("video", time="with", of="index"),), "that takes time, got 'index'"),
        (
            (Sample("video:1", augmentation_of="video:2"), Sample("video:2")),
            "augmentation_of must name an earlier sample that takes augmentation_of",
        ),
        (
            (VIDEO, Sample("audio", item="other", time="apart", of="video")),
            "'apart' is in the same item",
        ),
        (
            (
                Sample("audio:1", item="other"),
                Sample("audio:2", time="apart", of="audio:1"),
                Sample("audio:3", item="other", time="with", of="audio:2"),
            ),
            "'audio:3': item 'other' needs an 'of' in the own item, got 'audio:2'",
        ),
    ],
)
def test_mistakes_name_what_is_legal(samples: tuple[Sample, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_samples(samples)


def test_plain_samples_are_at_the_time_of_the_video() -> None:
    assert (plain("video"), plain("audio")) == (VIDEO, AUDIO)
    assert (plain("label"), plain("index")) == (LABEL, INDEX)  # they have no time


@pytest.mark.parametrize(
    ("samples", "views"),
    [
        ((VIDEO,), ("video",)),
        ((AUDIO,), ("audio", "video")),
        ((VIDEO, AUDIO, LABEL), ("audio", "label", "video")),
        ((LABEL, Sample("audio:1", augmentation_of="video")), ("audio", "label", "video")),
        ((Sample("video", time="with", of="audio"), INDEX), ("audio", "index", "video")),
        ((Sample("audio"), Sample("audio:1", time="apart", of="audio")), ("audio",)),
        ((Sample("audio:1"), Sample("audio:2", time="with", of="audio")), ("audio", "video")),
    ],
)
def test_draws_depend_on_the_views_that_are_related_to(
    samples: tuple[Sample, ...], views: tuple[str, ...]
) -> None:
    assert drawn_views(samples) == views


def test_shuffled_samples_are_those_that_are_with_another_view() -> None:
    other = Sample("audio", item="other", time="with", of="video")
    fast = Sample("video:fast", time="with", of="video", stride=2)
    back = Sample("video:back", time="with", of="audio")  # the other item's own video
    assert shuffled((VIDEO, AUDIO, LATE, fast, back, LABEL)) == (
        VIDEO,
        other,
        LATE,
        fast,
        back,
        LABEL,
    )
    check_samples(shuffled((VIDEO, AUDIO, LATE, fast, back)))
    assert shuffled((AUDIO,)) == (other,)
    for samples in ((VIDEO,), (VIDEO, Sample("audio")), (VIDEO, AUDIO, Sample("audio:1"))):
        names = ", ".join(sample.name for sample in samples)
        with pytest.raises(ValueError, match=f"one is 'with' the other, got {names}$"):
            shuffled(samples)


def test_what_an_item_must_have() -> None:
    everything = (VIDEO, AUDIO, LABEL, INDEX, SOURCE, LATE)
    assert required_views(everything, "error") == ["audio", "label", "video"]
    assert required_views(everything, "zero") == ["label", "video"]
    assert required_views((INDEX,), "error") == []
