"""What is stored of a video, decoded."""

import av
import numpy as np


def decode(packets: list[bytes]) -> np.ndarray:
    """(frames, H, W, 3) of everything, in one go."""
    codec = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in codec.decode(av.Packet(packet))]
    frames += codec.decode(None)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
