"""What the fuzz does to a clip: each mutation is a function of the bytes and a random generator.

A mutation of time stamps or of a header leaves the picture and the sound as they are. What is true
of the clip is then true of the mutated file, whatever its stamps say: :attr:`Mutation.keeps_times`.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import clips, packets, stamps

Change = Callable[[bytes, str, random.Random], bytes]

# What precedes a field of the header, how far behind it begins, and its width in bytes.
_HEADER_FIELDS: dict[str, list[tuple[str, bytes, int, int]]] = {
    "mp4": [
        ("duration", b"mvhd", 20, 4),
        ("duration", b"tkhd", 24, 4),
        ("duration", b"mdhd", 20, 4),
        ("samples", b"stts", 12, 4),
        ("size", b"tkhd", 80, 4),
        ("rate", b"mp4a", 28, 2),
    ],
    "mkv": [
        ("duration", b"\x44\x89\x88", 3, 8),
        ("rate", b"\xb5\x88", 2, 8),
        ("size", b"\xb0\x81", 2, 1),
    ],
    "avi": [
        ("duration", b"avih", 24, 4),
        ("duration", b"strh", 40, 4),
        ("rate", b"strh", 28, 4),
        ("rate", b"strh", 32, 4),
        ("size", b"strf", 12, 4),
    ],
    "wav": [("rate", b"fmt ", 12, 4), ("duration", b"data", 4, 4), ("channels", b"fmt ", 10, 2)],
    "flv": [("duration", b"duration\x00", 9, 8), ("rate", b"framerate\x00", 10, 8)],
}
for _container, _same in {"mov": "mp4", "m4a": "mp4", "webm": "mkv"}.items():
    _HEADER_FIELDS[_container] = _HEADER_FIELDS[_same]


@dataclass(frozen=True)
class Mutation:
    """One kind of damage.

    Attributes:
        name: in the report.
        change: (bytes, ending of the name, generator) -> bytes.
        keeps_times: whether flash, click and length are still those of the clip.
        containers: that it can be applied to; empty for all.
        rewrites: whether a muxer writes the file anew, which refuses a clock that restarts.
    """

    name: str
    change: Change
    keeps_times: bool = False
    containers: tuple[str, ...] = ()
    rewrites: bool = False


def _unchanged(content: bytes, container: str, rng: random.Random) -> bytes:
    return content


def _flip(content: bytes, rng: random.Random, low: int, high: int, number: int) -> bytes:
    changed = bytearray(content)
    for _ in range(number):
        changed[rng.randrange(low, max(high, low + 1))] ^= rng.randrange(1, 256)
    return bytes(changed)


def _flip_head(content: bytes, container: str, rng: random.Random) -> bytes:
    return _flip(content, rng, 0, min(1024, len(content)), rng.choice((1, 2, 8)))


def _flip_anywhere(content: bytes, container: str, rng: random.Random) -> bytes:
    return _flip(content, rng, 0, len(content), rng.choice((1, 4, 16, 64)))


def _flip_index(content: bytes, container: str, rng: random.Random) -> bytes:
    """The index: behind the mark of its beginning, else the last kilobyte."""
    marks = {"mp4": b"stbl", "mov": b"stbl", "m4a": b"stbl", "avi": b"idx1"}
    marks |= {"mkv": b"\x1c\x53\xbb\x6b", "webm": b"\x1c\x53\xbb\x6b"}
    begin = content.rfind(marks[container]) if container in marks else -1
    begin = begin if begin >= 0 else max(0, len(content) - 1024)
    return _flip(content, rng, begin, min(begin + 1024, len(content)), rng.choice((1, 4)))


def _truncate(content: bytes, container: str, rng: random.Random) -> bytes:
    return content[: max(1, round(len(content) * rng.uniform(0.05, 0.99)))]


def _range(content: bytes, rng: random.Random, longest: float = 0.1) -> tuple[int, int]:
    begin = rng.randrange(len(content))
    return begin, min(len(content), begin + 1 + round(len(content) * rng.uniform(0, longest)))


def _zero(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:begin] + bytes(end - begin) + content[end:]


def _remove(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:begin] + content[end:]


def _repeat(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:end] + content[begin:end] + content[end:]


def _exchange(content: bytes, container: str, rng: random.Random) -> bytes:
    """Two neighbouring blocks change places."""
    begin, middle = _range(content, rng)
    end = min(len(content), 2 * middle - begin)
    return content[:begin] + content[middle:end] + content[begin:middle] + content[end:]


def _insert(content: bytes, container: str, rng: random.Random) -> bytes:
    begin = rng.randrange(len(content))
    return content[:begin] + rng.randbytes(rng.choice((1, 7, 188, 4096))) + content[begin:]


def _join(content: bytes, container: str, rng: random.Random) -> bytes:
    return content + content


def _pack(value: float, width: int, container: str) -> bytes:
    """A header field: a double of 8 bytes, or an integer as wide as said."""
    if width == 8:
        return struct.pack(">d", value)
    order = "little" if container in ("avi", "wav") else "big"
    return (int(value) & ((1 << 8 * width) - 1)).to_bytes(width, order)


def _overwrite(content: bytes, begin: int, packed: bytes) -> bytes:
    """Writes over what is there, and leaves out what lies behind the end."""
    return (content[:begin] + packed + content[begin + len(packed) :])[: len(content)]


def _header_field(content: bytes, container: str, rng: random.Random) -> bytes:
    _, mark, distance, width = rng.choice(_HEADER_FIELDS[container])
    places = _places(content, mark)
    if not places:
        return content
    integer = rng.choice((0, 1, 255, 1 << 15, 5 * 10**7, (1 << 31) - 1, (1 << 32) - 1))
    real = rng.choice((0.0, -1.0, 1e-3, 1e7, 3.6e6, 5e7, 1e300))
    packed = _pack(real if width == 8 else integer, width, container)
    return _overwrite(content, rng.choice(places) + distance, packed)


def _header_rate(content: bytes, container: str, rng: random.Random) -> bytes:
    """Overwrites a rate of picture or sound with one that nothing has."""
    fields = [field for field in _HEADER_FIELDS[container] if field[0] == "rate"]
    _, mark, distance, width = rng.choice(fields)
    packed = _pack(rng.choice((1, 5e7, 1e9)), width, container)
    for at in _places(content, mark):
        content = _overwrite(content, at + distance, packed)
    return content


def _header_duration(content: bytes, container: str, rng: random.Random) -> bytes:
    """Overwrites lengths that the header announces; they change nothing of what is there."""
    fields = [field for field in _HEADER_FIELDS[container] if field[0] == "duration"]
    for _, mark, distance, width in fields:
        for at in _places(content, mark):
            seconds = rng.choice((0, 3600, 10**6))
            value = seconds if container == "flv" else min(1000 * seconds, (1 << 31) - 1)
            content = _overwrite(content, at + distance, _pack(value, width, container))
    return content


def _places(content: bytes, mark: bytes) -> list[int]:
    places, at = [], content.find(mark)
    while at >= 0:
        places.append(at)
        at = content.find(mark, at + 1)
    return places


def _stamps(change: Callable[[list[int], int, random.Random], list[int]]) -> Change:
    """Applies a change of values, given with the ticks of a second, to the stamps of one track."""

    def changed(content: bytes, container: str, rng: random.Random) -> bytes:
        every = stamps.find(content, container)
        if not every:
            return content  # an MP4 file without B-frames
        track = rng.choice(sorted({stamp.track for stamp in every}))
        own = [stamp for stamp in every if stamp.track == track]
        values = change([stamp.value for stamp in own], own[0].ticks, rng)
        return stamps.overwrite(content, own, values)

    return changed


def _inner(values: list[int], rng: random.Random) -> int:
    """Number of a stamp that is neither the first nor the last two, where there are enough."""
    return min(rng.randrange(1, max(2, len(values) - 2)), len(values) - 1)


def _swap_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    at = _inner(values, rng)
    other = min(at + 1, len(values) - 1)
    values[at], values[other] = values[other], values[at]
    return values


def _equal_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    at = _inner(values, rng)
    values[at] = values[at - 1]
    return values


def _wild_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    seconds = rng.choice((-1000, -2, -0.5, 0.5, 2, 20, 1000, 90_000))
    values[_inner(values, rng)] += round(seconds * ticks)
    return values


def _wild_last_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    values[-1] += round(rng.choice((-1000, -1, 5, 20, 1000)) * ticks)
    return values


def _wild_first_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    values[0] += round(rng.choice((-1000, -1, 1, 20, 1000)) * ticks)
    return values


def _all_equal(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    return [values[0]] * len(values)


def _shuffle_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    """The stamps of up to eight packets in a row, in any order."""
    begin = _inner(values, rng)
    part = values[begin : begin + 8]
    rng.shuffle(part)
    return values[:begin] + part + values[begin + 8 :]


def _stretch(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    factor = rng.choice((0.5, 0.9, 1.1, 2.0))
    return [values[0] + round(factor * (value - values[0])) for value in values]


def _clock_jump(content: bytes, container: str, rng: random.Random) -> bytes:
    """All stamps behind some place are later or earlier."""
    every = stamps.find(content, container)
    begin = rng.randrange(1, len(every))
    shift = round(rng.choice((-20_000, -1, 1, 15, 1000, 20_000)) * every[0].ticks)
    values = [stamp.value + shift * (number >= begin) for number, stamp in enumerate(every)]
    return stamps.overwrite(content, every, values)


def _wrap_clock(content: bytes, container: str, rng: random.Random) -> bytes:
    """The 33-bit clock passes zero within the file."""
    every = stamps.find(content, container)
    wrap = 1 << 33
    shift = wrap - round(rng.uniform(0.3, 2.0) * 90_000) - min(stamp.value for stamp in every)
    return stamps.overwrite(content, every, [(stamp.value + shift) % wrap for stamp in every])


# MPEG program streams bear a stamp a second and no more, so that none of them can be told wrong.
_STAMPED = ("mkv", "webm", "ts", "flv")
_JUMPING = (*_STAMPED, "mpg")

MUTATIONS = (
    Mutation("unchanged", _unchanged, keeps_times=True),
    Mutation("flip head", _flip_head),
    Mutation("flip anywhere", _flip_anywhere),
    Mutation("flip index", _flip_index),
    Mutation("truncate", _truncate),
    Mutation("zero", _zero),
    Mutation("remove", _remove),
    Mutation("repeat", _repeat),
    Mutation("exchange", _exchange),
    Mutation("insert", _insert),
    Mutation("join", _join),
    Mutation("drop packets", packets.without(packets.some), False, packets.CONTAINERS, True),
    Mutation("drop in a row", packets.without(packets.in_a_row), False, packets.CONTAINERS, True),
    Mutation("drop key frame", packets.without(packets.key_frame), False, packets.CONTAINERS, True),
    Mutation("header field", _header_field, False, tuple(_HEADER_FIELDS)),
    Mutation("header rate", _header_rate, False, tuple(_HEADER_FIELDS)),
    Mutation("header duration", _header_duration, True, tuple(_HEADER_FIELDS)),
    Mutation("swap stamps", _stamps(_swap_stamps), True, (*_STAMPED, "mp4")),
    Mutation("equal stamps", _stamps(_equal_stamps), True, (*_STAMPED, "mp4")),
    Mutation("wild stamp", _stamps(_wild_stamp), True, (*_STAMPED, "mp4")),
    Mutation("wild last stamp", _stamps(_wild_last_stamp), True, (*_STAMPED, "mp4")),
    Mutation("wild first stamp", _stamps(_wild_first_stamp), True, _STAMPED),
    Mutation("shuffle stamps", _stamps(_shuffle_stamps), True, _STAMPED),
    Mutation("stamps all equal", _stamps(_all_equal), True, _STAMPED),
    Mutation("stretch stamps", _stamps(_stretch), True, _JUMPING),
    Mutation("clock jump", _clock_jump, True, _JUMPING),
    Mutation("clock wraps", _wrap_clock, True, ("ts", "mpg")),
)


def applicable(clip: clips.Clip) -> list[Mutation]:
    """The mutations that fit a clip."""
    return [
        mutation
        for mutation in MUTATIONS
        if (not mutation.containers or clip.container in mutation.containers)
        and not (mutation.rewrites and clip.is_joined)
    ]
