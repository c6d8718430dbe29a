"""Resamples decoded frames to a uniform grid of times and encodes them as H.264."""

from fractions import Fraction

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from iicl.config import Preparation
from iicl.constants import GOP
from iicl.data.manifest import UnusableSource
from iicl.data.media.clock import InOrder
from iicl.data.media.geometry import Orientation, orientation
from iicl.data.media.source import Source

MAX_ASPECT = 8.0  # long side / short side
_CRF = "22"
_PAUSE_STEPS = 1.5  # a longer step between two frames is a pause, during which the first one stays

# A key frame every GOP frames: with 8, a clip that starts anywhere decodes 3.5 frames too many on
# average. No B-frames, no CABAC, no deblocking (tune fastdecode), which would slow a decoder down.
# One thread makes the bytes reproducible. The parameter sets are repeated before every key frame,
# so that decoding can start there.
_X264 = {
    "preset": "veryfast",
    "tune": "fastdecode",
    "crf": _CRF,
    "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:bframes=0:threads=1"
    ":repeat-headers=1:rc-lookahead=0:sync-lookahead=0:mbtree=0",
}


class Encoder:
    """Picks the frame that is on screen at each time of the grid, scales and encodes it.

    Usually this is the nearest frame; while the picture pauses, it is the last frame before.

    Args:
        source: where the frames come from.
        preparation: size and highest rate of the frames to keep.

    Attributes:
        packets: one packet for each time of the grid, complete after :meth:`finish`.
        fps: frames per second of the grid.
        zero: seconds; time of the first frame kept, where the grid begins; None before that frame.
        height: height of the stored frames, even; 0 before the first frame.
        width: width of the stored frames, even; 0 before the first frame.
        num_frames: number of frames inside the part to keep.
        num_corrupt: number of these frames that the decoder calls damaged.
        order: corrects the times of the frames, and counts its corrections.
        rotation_ignored: whether the file asks for a rotation that is not a quarter turn.
    """

    def __init__(self, source: Source, preparation: Preparation) -> None:
        track = source.tracks["video"]
        self.order: InOrder[av.VideoFrame] = InOrder(track.step, source.origin)
        self.packets: list[bytes] = []
        self.num_frames = self.num_corrupt = 0
        self.zero: float | None = None
        self.height = self.width = 0
        self.rotation_ignored = False
        self._low, self._high = source.low, source.high
        self._preparation = preparation
        self._aspect = source.aspect or Fraction(1)
        rate = source.rate
        if rate is None or not 0.5 <= rate <= 1000:
            rate = Fraction(25)
        limit = Fraction(preparation.max_fps).limit_denominator(1001)
        self.fps: Fraction = min(rate, limit)
        # A slide lasts for many times of the grid: it stays until the next one is due.
        self._step, self._end = min(track.step, 1 / float(self.fps)), source.end
        self._placed = Orientation()
        self._before: av.VideoFrame | None = None
        self._previous: tuple[float, av.VideoFrame] | None = None
        self._num_encoded = 0
        self._reformatter = VideoReformatter()  # one for all frames: setting up costs 0.5 ms
        self._codec: av.VideoCodecContext | None = None

    def add(self, frame: av.VideoFrame, time: float | None) -> None:
        """Takes the next frame and its time in seconds; None if it has none.

        Raises:
            UnusableSource: if the frame is too long and narrow to keep.
        """
        for earlier, certain in self.order.add(frame, time):
            self._take(earlier, certain)

    def finish(self) -> None:
        """Must be called after the last frame; encodes what is left."""
        for frame, time in self.order.finish():
            self._take(frame, time)
        if self._previous is None:
            return
        time, frame = self._previous
        last = self._end - time
        if frame.duration and frame.time_base is not None:
            last = float(frame.duration * frame.time_base)
        end = min(time + last, max(self._end, time + self._step))
        # Half a frame less, because a grid time exactly at the end does not belong to this frame.
        self._emit_until(end - 0.5 / float(self.fps))
        if self._codec is not None:
            self.packets += [bytes(packet) for packet in self._codec.encode(None)]
        assert len(self.packets) == self._num_encoded

    def _take(self, frame: av.VideoFrame, time: float) -> None:
        if self._previous is not None:
            last = self._previous[0]
            pauses = time - last > _PAUSE_STEPS * self._step
            self._emit_until(time - self._step / 2 if pauses else (last + time) / 2)
        else:
            if self._low is not None and time < self._low - 0.5 / float(self.fps):
                self._before = frame
                return
            self._begin(time)
        self.num_frames += 1
        self.num_corrupt += frame.is_corrupt
        self._previous = (time, frame)

    def _begin(self, time: float) -> None:
        """Lets the grid begin at the time of a frame, so that later grid times fall on frames."""
        self.zero = time
        if self._low is None:
            return
        if self._before is not None and time - self._low > _PAUSE_STEPS * self._step:
            self.zero = self._low  # the part begins in a pause, which the frame before it fills
            self._previous = (self._low, self._before)
            self._emit_until(time - self._step / 2)
        self._high += self.zero - self._low

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
        if self._codec is None:
            self._placed = orientation(frame)
            self.rotation_ignored = not self._placed.is_exact
            self._open(frame, self._placed)
        placed = self._placed
        size = (self.height, self.width) if placed.swaps_sides else (self.width, self.height)
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
        return placed.apply(scaled)

    def _open(self, frame: av.VideoFrame, placed: Orientation) -> None:
        width, height = frame.width * float(self._aspect), float(frame.height)
        if placed.swaps_sides:
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
