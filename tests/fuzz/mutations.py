"""The mutations of a clip: functions of its bytes and a random generator.

A mutation of time stamps or of a header does not change picture and sound. Flash, click and length
of the mutated file should then be those of the clip: :attr:`Mutation.keeps_times`.
"""

from dataclasses import dataclass

from tests.fuzz import clips, clocks, damage, headers, packets
from tests.fuzz.damage import Change


@dataclass(frozen=True)
class Mutation:
    """One kind of damage.

    Attributes:
        name: its name in the report.
        change: (bytes, ending of the name, generator) -> bytes.
        keeps_times: whether flash, click and length are still those of the clip.
        containers: containers that it can be applied to; empty for all.
        rewrites: whether a muxer writes the file again; a muxer refuses a clock that restarts.
    """

    name: str
    change: Change
    keeps_times: bool = False
    containers: tuple[str, ...] = ()
    rewrites: bool = False


# MPEG program streams have only one stamp a second, so a single wrong stamp cannot be recognised.
_STAMPED = ("mkv", "webm", "ts", "flv")
_JUMPING = (*_STAMPED, "mpg")

MUTATIONS = (
    Mutation("unchanged", damage.unchanged, keeps_times=True),
    Mutation("flip head", damage.flip_head),
    Mutation("flip anywhere", damage.flip_anywhere),
    Mutation("flip index", damage.flip_index),
    Mutation("truncate", damage.truncate),
    Mutation("zero", damage.zero),
    Mutation("remove", damage.remove),
    Mutation("repeat", damage.repeat),
    Mutation("exchange", damage.exchange),
    Mutation("insert", damage.insert),
    Mutation("join", damage.join),
    Mutation("drop packets", packets.without(packets.some), False, packets.CONTAINERS, True),
    Mutation("drop in a row", packets.without(packets.in_a_row), False, packets.CONTAINERS, True),
    Mutation("drop key frame", packets.without(packets.key_frame), False, packets.CONTAINERS, True),
    Mutation("header field", headers.any_field, False, tuple(headers.FIELDS)),
    Mutation("header rate", headers.rate, False, tuple(headers.FIELDS)),
    Mutation("header duration", headers.duration, True, tuple(headers.FIELDS)),
    Mutation("swap stamps", clocks.on_one_track(clocks.swap_stamps), True, (*_STAMPED, "mp4")),
    Mutation("equal stamps", clocks.on_one_track(clocks.equal_stamps), True, (*_STAMPED, "mp4")),
    Mutation("wild stamp", clocks.on_one_track(clocks.wild_stamp), True, (*_STAMPED, "mp4")),
    Mutation(
        "wild last stamp", clocks.on_one_track(clocks.wild_last_stamp), True, (*_STAMPED, "mp4")
    ),
    Mutation("wild first stamp", clocks.on_one_track(clocks.wild_first_stamp), True, _STAMPED),
    Mutation("shuffle stamps", clocks.on_one_track(clocks.shuffle_stamps), True, _STAMPED),
    Mutation("stamps all equal", clocks.on_one_track(clocks.all_equal), True, _STAMPED),
    Mutation("stretch stamps", clocks.on_one_track(clocks.stretch), True, _JUMPING),
    Mutation("clock jump", clocks.clock_jump, True, _JUMPING),
    Mutation("clock wraps", clocks.wrap_clock, True, ("ts", "mpg")),
)


def applicable(clip: clips.Clip) -> list[Mutation]:
    """The mutations that fit a clip."""
    return [
        mutation
        for mutation in MUTATIONS
        if (not mutation.containers or clip.container in mutation.containers)
        and not (mutation.rewrites and clip.is_joined)
    ]
