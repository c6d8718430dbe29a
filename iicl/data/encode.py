"""Video frames as they come -> the nearest frame at each time of a uniform grid, as H.264."""

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from iicl.config import Preparation
from iicl.data.manifest import UnusableSource

GOP = 8  # frames; a clip that starts anywhere decodes 3.5 frames too many on average
MAX_ASPECT = 8.0  # long side / short side
_CRF = "22"

# Intra refresh every GOP frames and nothing a decoder would wait or search for: no B-frames, no
# CABAC, no deblocking (tune fastdecode). One thread makes the bytes reproducible. The parameter
# sets stand in front of every key frame, so that decoding can start there.
_X264 = {
    "preset": "veryfast",
    "tune": "fastdecode",
    "crf": _CRF,
    "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:bframes=0:threads=1"
    ":repeat-headers=1:rc-lookahead=0:sync-lookahead=0:mbtree=0",
}


class Encoder:
    """Picks the frame nearest to each time of the grid, scales and encodes it.

    Args:
        stream: where the frames come from.
        preparation: size and greatest rate of what is kept.
        origin: seconds; time of a first frame that bears none.
        low: seconds; frames more than half a frame earlier are left out. None keeps the first.
        high: seconds at which the grid ends, if the frames do not end before.

    Attributes:
        packets: one per time of the grid, complete after :meth:`finish`.
        fps: of the grid.
        zero: seconds; time of the first frame kept, where the grid begins. None before it.
        height: of the stored frames, even; 0 before the first.
        width: of the stored frames, even; 0 before the first.
        num_frames: given and not left out.
        num_corrupt: of these, how many the decoder calls damaged.
    """

    def __init__(
        self,
        stream: av.VideoStream,
        preparation: Preparation,
        origin: float,
        low: float | None,
        high: float,
    ) -> None:
        # AVI states no presentation times: what FFmpeg makes up for B-frames is out of order.
        self._decode_order = stream.container.format.name == "avi"
        self._origin = origin
        self.packets: list[bytes] = []
        self.num_frames = self.num_corrupt = 0
        self.zero: float | None = None
        self._low = low
        self.height = self.width = 0
        self._high = high
        self._preparation = preparation
        self._aspect = stream.sample_aspect_ratio or Fraction(1)
        rate = stream.guessed_rate or stream.average_rate
        if rate is None or not 0.5 <= rate <= 1000:
            rate = Fraction(25)
        limit = Fraction(preparation.max_fps).limit_denominator(1001)
        self.fps: Fraction = min(rate, limit)
        self._previous: tuple[float, av.VideoFrame] | None = None
        self._num_encoded = 0
        self._reformatter = VideoReformatter()  # one for all frames: setting up costs 0.5 ms
        self._codec: av.VideoCodecContext | None = None

    def add(self, frame: av.VideoFrame) -> None:
        """Takes the next frame; time stamps that do not rise are replaced.

        Raises:
            UnusableSource: if it is too long and narrow to keep.
        """
        stamp = frame.dts if self._decode_order or frame.pts is None else frame.pts
        base = frame.time_base
        time = None if stamp is None or base is None else float(stamp * base)
        if self._previous is not None and (time is None or time <= self._previous[0]):
            time = self._previous[0] + 1 / float(self.fps)
        elif time is None:
            time = self._origin
        if self.zero is None:
            # A cut begins with a frame of its own, so that the grid meets the frames that follow.
            if self._low is not None and time < self._low - 0.5 / float(self.fps):
                return
            self.zero = time
            if self._low is not None:
                self._high += time - self._low
        else:
            assert self._previous is not None
            self._emit_until((self._previous[0] + time) / 2)
        self.num_frames += 1
        self.num_corrupt += frame.is_corrupt
        self._previous = (time, frame)

    def finish(self) -> None:
        """Takes it that the last frame has been given."""
        if self._previous is None:
            return
        time, frame = self._previous
        last = 1 / float(self.fps)
        if frame.duration and frame.time_base is not None:
            last = float(frame.duration * frame.time_base)
        assert self.zero is not None
        # Half a frame less: a grid time exactly at the end belongs to what follows.
        self._emit_until(time + last - 0.5 / float(self.fps))
        if self._codec is not None:
            self.packets += [bytes(packet) for packet in self._codec.encode(None)]
        assert len(self.packets) == self._num_encoded

    def _emit_until(self, end: float) -> None:
        """Encodes the previous frame for every grid time before ``end``."""
        assert self._previous is not None
        assert self.zero is not None
        scaled = None
        end = min(end, self._high - 0.5 / float(self.fps))
        while self.zero + self._num_encoded / float(self.fps) < end + 1e-6:
            if scaled is None:
                scaled = self._scale(self._previous[1])
            scaled.pts = self._num_encoded
            scaled.time_base = 1 / self.fps
            scaled.pict_type = 0
            assert self._codec is not None
            self.packets += [bytes(packet) for packet in self._codec.encode(scaled)]
            self._num_encoded += 1

    def _scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        rotation = frame.rotation % 360
        if self._codec is None:
            self._open(frame, rotation)
        size = (self.height, self.width) if rotation in (90, 270) else (self.width, self.height)
        scaled = self._reformatter.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation="AREA" if size[0] < frame.width else "BICUBIC",
            threads=1,
        )
        return _rotated(scaled, rotation) if rotation else scaled

    def _open(self, frame: av.VideoFrame, rotation: int) -> None:
        width, height = frame.width * float(self._aspect), float(frame.height)
        if rotation in (90, 270):
            width, height = height, width
        if not 1 / MAX_ASPECT <= width / height <= MAX_ASPECT:
            raise UnusableSource(f"aspect ratio of {width:.0f} x {height:.0f} is beyond 8")
        scale = self._preparation.short_side / min(width, height)
        self.width, self.height = (2 * round(side * scale / 2) for side in (width, height))
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = self.width, self.height, "yuv420p"
        codec.framerate, codec.time_base = self.fps, 1 / self.fps
        codec.thread_count = 1
        codec.options = _X264
        self._codec = codec


def _rotated(frame: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Turns a yuv420p frame counter-clockwise by a multiple of 90 degrees."""
    height, width = frame.height, frame.width
    packed = frame.to_ndarray().ravel()
    luma, rest = packed[: height * width], packed[height * width :]
    planes = [luma.reshape(height, width), *rest.reshape(2, height // 2, width // 2)]
    turned = [np.rot90(plane, rotation // 90) for plane in planes]
    stacked = np.concatenate([plane.ravel() for plane in turned])
    return av.VideoFrame.from_ndarray(stacked.reshape(-1, turned[0].shape[1]), format="yuv420p")
