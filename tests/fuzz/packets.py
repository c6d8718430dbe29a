"""Damage to the packets of a file: the file is written again without some of them."""

import io
import random
from collections.abc import Callable, Sequence

import av

from tests.fuzz.clips import FORMATS

CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv")
Choice = Callable[[Sequence[av.Packet], random.Random], set[int]]


def without(choose: Choice) -> Callable[[bytes, str, random.Random], bytes]:
    """A change that leaves out packets of one stream; ``choose`` returns their numbers."""

    def change(content: bytes, container: str, rng: random.Random) -> bytes:
        written = io.BytesIO()
        with (
            av.open(io.BytesIO(content)) as source,
            av.open(
                written,
                "w",
                format=FORMATS.get(container, container),
                options={"fflags": "+bitexact"},
            ) as target,
        ):
            streams = [target.add_stream_from_template(stream) for stream in source.streams]
            packets = [packet for packet in source.demux() if packet.dts is not None]
            index = rng.randrange(len(streams))
            own = [packet for packet in packets if packet.stream.index == index]
            dropped = {id(own[number]) for number in choose(own, rng)}
            for packet in packets:
                if id(packet) not in dropped:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        return written.getvalue()

    return change


def some(packets: Sequence[av.Packet], rng: random.Random) -> set[int]:
    """About one packet in ten."""
    return {number for number in range(1, len(packets)) if rng.random() < 0.1}


def in_a_row(packets: Sequence[av.Packet], rng: random.Random) -> set[int]:
    """Consecutive packets, up to a third of all."""
    begin = rng.randrange(len(packets))
    return set(range(begin, min(len(packets), begin + 1 + len(packets) // 3)))


def key_frame(packets: Sequence[av.Packet], rng: random.Random) -> set[int]:
    """One key frame; not the first one if there are several."""
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    return {rng.choice(keys[1:] or keys)}
