"""Finds the time stamps of packets in the bytes of a media file, and overwrites them.

Muxers refuse stamps that do not rise; therefore such files are made by changing the bytes.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PES = re.compile(rb"\x00\x00\x01([\xc0-\xef])..[\x80-\xbf]([\x80-\xff])[\x05-\x40]", re.DOTALL)
_PES_BITS = 33
_SEGMENT, _CLUSTER, _CLUSTER_TIME = 0x18538067, 0x1F43B675, 0xE7
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3


@dataclass(frozen=True)
class Stamp:
    """One time stamp in a file.

    Attributes:
        offset: position of its first byte.
        track: number of the stream.
        value: the stamp in ticks of the file.
        ticks: ticks per second.
        limits: smallest and greatest value that the bytes can hold.
        pack: turns a value into bytes.
    """

    offset: int
    track: int
    value: int
    ticks: int
    limits: tuple[int, int]
    pack: Callable[[int], bytes]


def find(content: bytes, container: str) -> list[Stamp]:
    """All time stamps of a file in the order of its packets; empty if the format has none here."""
    finders = {"mkv": _matroska, "webm": _matroska, "ts": _mpeg, "mpg": _mpeg, "flv": _flash}
    finders |= {"mp4": _composition, "mov": _composition}
    return list(finders[container](content)) if container in finders else []


def overwrite(content: bytes, stamps: list[Stamp], values: list[int]) -> bytes:
    """Gives each stamp its new value, or the nearest one that its bytes can hold."""
    changed = bytearray(content)
    for stamp, value in zip(stamps, values, strict=True):
        low, high = stamp.limits
        packed = stamp.pack(min(max(value, low), high))
        changed[stamp.offset : stamp.offset + len(packed)] = packed
    return bytes(changed)


def _matroska(content: bytes) -> Iterator[Stamp]:
    """The time stamps of blocks in milliseconds; the file has them relative to their cluster."""
    position = base = 0
    while position < len(content) - 12:
        kind, begin, size = _element(content, position)
        if kind in (_SEGMENT, _CLUSTER, _BLOCK_GROUP):
            position = begin
            continue
        if kind == _CLUSTER_TIME:
            base = int.from_bytes(content[begin : begin + size], "big")
        elif kind in (_SIMPLE_BLOCK, _BLOCK):
            (value,) = struct.unpack_from(">h", content, begin + 1)
            limits = (base - (1 << 15), base + (1 << 15) - 1)
            pack = _matroska_packer(base)
            yield Stamp(begin + 1, content[begin], base + value, 1000, limits, pack)
        position = begin + size


def _matroska_packer(base: int) -> Callable[[int], bytes]:
    return lambda value: struct.pack(">h", value - base)


def _element(content: bytes, position: int) -> tuple[int, int, int]:
    """Identifier of an EBML element, where its content begins, and how long that is."""
    length = 9 - content[position].bit_length()
    kind = int.from_bytes(content[position : position + length], "big")
    position += length
    length = 9 - content[position].bit_length()
    size = int.from_bytes(content[position : position + length], "big")
    return kind, position + length, size & ((1 << 7 * length) - 1)


def _mpeg(content: bytes) -> Iterator[Stamp]:
    """The 33-bit presentation time stamps of elementary packets, 90,000 a second."""
    for match in _PES.finditer(content):
        offset = match.end()
        field = content[offset : offset + 5]
        if len(field) < 5 or field[0] >> 4 not in (2, 3):
            continue
        value = (field[0] >> 1 & 7) << 30 | field[1] << 22 | (field[2] >> 1) << 15
        value |= field[3] << 7 | field[4] >> 1
        limits = (0, (1 << _PES_BITS) - 1)
        yield Stamp(offset, match[1][0], value, 90_000, limits, _pes_packer(field[0] & 0xF0))


def _pes_packer(prefix: int) -> Callable[[int], bytes]:
    def pack(value: int) -> bytes:
        parts = (value >> 30 & 7, value >> 22 & 0xFF, value >> 15 & 0x7F)
        parts += (value >> 7 & 0xFF, value & 0x7F)
        first, second, third, fourth, fifth = parts
        return bytes([prefix | first << 1 | 1, second, third << 1 | 1, fourth, fifth << 1 | 1])

    return pack


def _flash(content: bytes) -> Iterator[Stamp]:
    """The decoding time stamps of FLV tags, in milliseconds."""
    position = 13
    while position + 11 <= len(content):
        kind = content[position]
        size = int.from_bytes(content[position + 1 : position + 4], "big")
        low = int.from_bytes(content[position + 4 : position + 7], "big")
        if kind in (8, 9):
            value = content[position + 7] << 24 | low
            yield Stamp(position + 4, kind, value, 1000, (0, (1 << 31) - 1), _pack_flash)
        position += 11 + size + 4


def _pack_flash(value: int) -> bytes:
    return (value & 0xFFFFFF).to_bytes(3, "big") + bytes([value >> 24])


def _composition(content: bytes) -> Iterator[Stamp]:
    """MP4's distances from decoding to presentation; files without B-frames have none."""
    clock = content.find(b"mdhd")
    begin = content.find(b"ctts")
    if clock < 0 or begin < 0:
        return
    (ticks,) = struct.unpack_from(">I", content, clock + 16)
    (number,) = struct.unpack_from(">I", content, begin + 8)
    for offset in range(begin + 16, begin + 12 + 8 * number, 8):
        (value,) = struct.unpack_from(">i", content, offset)
        limits = (-(1 << 31), (1 << 31) - 1)
        yield Stamp(offset, 0, value, ticks, limits, struct.Struct(">i").pack)
