"""Changes of header fields: lengths, rates, sizes and channels of each container."""

import random
import struct

# Container -> its fields: kind, bytes that mark the place, distance from there, width in bytes.
FIELDS: dict[str, list[tuple[str, bytes, int, int]]] = {
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
    FIELDS[_container] = FIELDS[_same]


def any_field(content: bytes, container: str, rng: random.Random) -> bytes:
    _, mark, distance, width = rng.choice(FIELDS[container])
    places = _places(content, mark)
    if not places:
        return content
    integer = rng.choice((0, 1, 255, 1 << 15, 5 * 10**7, (1 << 31) - 1, (1 << 32) - 1))
    real = rng.choice((0.0, -1.0, 1e-3, 1e7, 3.6e6, 5e7, 1e300))
    packed = _pack(real if width == 8 else integer, width, container)
    return _overwrite(content, rng.choice(places) + distance, packed)


def rate(content: bytes, container: str, rng: random.Random) -> bytes:
    """Overwrites a rate of picture or sound with an impossible one."""
    fields = [field for field in FIELDS[container] if field[0] == "rate"]
    _, mark, distance, width = rng.choice(fields)
    packed = _pack(rng.choice((1, 5e7, 1e9)), width, container)
    for at in _places(content, mark):
        content = _overwrite(content, at + distance, packed)
    return content


def duration(content: bytes, container: str, rng: random.Random) -> bytes:
    """Overwrites the lengths that the header announces; picture and sound stay the same."""
    fields = [field for field in FIELDS[container] if field[0] == "duration"]
    for _, mark, distance, width in fields:
        for at in _places(content, mark):
            seconds = rng.choice((0, 3600, 10**6))
            value = seconds if container == "flv" else min(1000 * seconds, (1 << 31) - 1)
            content = _overwrite(content, at + distance, _pack(value, width, container))
    return content


def _pack(value: float, width: int, container: str) -> bytes:
    """The bytes of a header field: a double if 8 bytes wide, otherwise an integer."""
    if width == 8:
        return struct.pack(">d", value)
    order = "little" if container in ("avi", "wav") else "big"
    return (int(value) & ((1 << 8 * width) - 1)).to_bytes(width, order)


def _overwrite(content: bytes, begin: int, packed: bytes) -> bytes:
    """Overwrites bytes; the length of the content stays the same."""
    return (content[:begin] + packed + content[begin + len(packed) :])[: len(content)]


def _places(content: bytes, mark: bytes) -> list[int]:
    places, at = [], content.find(mark)
    while at >= 0:
        places.append(at)
        at = content.find(mark, at + 1)
    return places
