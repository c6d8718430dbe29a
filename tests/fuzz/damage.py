"""Changes of bytes at random places, like the damage that disks and networks cause."""

import random
from collections.abc import Callable

Change = Callable[[bytes, str, random.Random], bytes]


def unchanged(content: bytes, container: str, rng: random.Random) -> bytes:
    return content


def flip_head(content: bytes, container: str, rng: random.Random) -> bytes:
    return _flip(content, rng, 0, min(1024, len(content)), rng.choice((1, 2, 8)))


def flip_anywhere(content: bytes, container: str, rng: random.Random) -> bytes:
    return _flip(content, rng, 0, len(content), rng.choice((1, 4, 16, 64)))


def flip_index(content: bytes, container: str, rng: random.Random) -> bytes:
    """Flips bits of the index, or of the last kilobyte if the place of the index is unknown."""
    marks = {"mp4": b"stbl", "mov": b"stbl", "m4a": b"stbl", "avi": b"idx1"}
    marks |= {"mkv": b"\x1c\x53\xbb\x6b", "webm": b"\x1c\x53\xbb\x6b"}
    begin = content.rfind(marks[container]) if container in marks else -1
    begin = begin if begin >= 0 else max(0, len(content) - 1024)
    return _flip(content, rng, begin, min(begin + 1024, len(content)), rng.choice((1, 4)))


def truncate(content: bytes, container: str, rng: random.Random) -> bytes:
    return content[: max(1, round(len(content) * rng.uniform(0.05, 0.99)))]


def zero(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:begin] + bytes(end - begin) + content[end:]


def remove(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:begin] + content[end:]


def repeat(content: bytes, container: str, rng: random.Random) -> bytes:
    begin, end = _range(content, rng)
    return content[:end] + content[begin:end] + content[end:]


def exchange(content: bytes, container: str, rng: random.Random) -> bytes:
    """Two neighbouring blocks change places."""
    begin, middle = _range(content, rng)
    end = min(len(content), 2 * middle - begin)
    return content[:begin] + content[middle:end] + content[begin:middle] + content[end:]


def insert(content: bytes, container: str, rng: random.Random) -> bytes:
    begin = rng.randrange(len(content))
    return content[:begin] + rng.randbytes(rng.choice((1, 7, 188, 4096))) + content[begin:]


def join(content: bytes, container: str, rng: random.Random) -> bytes:
    return content + content


def _flip(content: bytes, rng: random.Random, low: int, high: int, number: int) -> bytes:
    changed = bytearray(content)
    for _ in range(number):
        changed[rng.randrange(low, max(high, low + 1))] ^= rng.randrange(1, 256)
    return bytes(changed)


def _range(content: bytes, rng: random.Random, longest: float = 0.1) -> tuple[int, int]:
    begin = rng.randrange(len(content))
    return begin, min(len(content), begin + 1 + round(len(content) * rng.uniform(0, longest)))
