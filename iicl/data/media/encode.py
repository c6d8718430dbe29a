"""Video frames as they come -> the nearest frame at each time of a uniform grid, as H.264."""

from fractions import Fraction

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from iicl.config import Preparation
from iicl.data.manifest import GOP, UnusableSource
from iicl.data.media.clock import InOrder
from iicl.data.media.geometry import Orientation, orientation
from iicl.data.media.source import Source

MAX_ASPECT = 8.0  # long side / short side
_CRF = "22"
_PAUSE_STEPS = 1.5  # a longer step between two frames is a pause, in which the first one stays

# A key frame every GOP frames (with 8, a clip that starts anywhere decodes 3.5 frames too many on
# average) and nothing a decoder would wait or search for: no B-frames, no
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
    """Picks the frame on screen at each time of the grid, scales and encodes it.

    That is the nearest one where frames follow each other as a rule, and the last one while the
    picture pauses.

    Args:
        source: where the frames come from.
        preparation: size and greatest rate of what is kept.

    Attributes:
        packets: one per time of the grid, complete after :meth:`finish`.
        fps: of the grid.
        zero: seconds; time of the first frame kept, where the grid begins. None before it.
        height: of the stored frames, even; 0 before the first.
        width: of the stored frames, even; 0 before the first.
        num_frames: given and not left out.
        num_corrupt: of these, how many the decoder calls damaged.
        order: what was done about the times of the frames.
        rotation_ignored: the file asks for a rotation that is no quarter turn.
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
        # Slides and such last for many times of the grid: each stays until the next is due.
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
            UnusableSource: if it is too long and narrow to keep.
        """
        for earlier, certain in self.order.add(frame, time):
            self._take(earlier, certain)

    def finish(self) -> None:
        """Takes it that the last frame has been given."""
        for frame, time in self.order.finish():
            self._take(frame, time)
        if self._previous is None:
            return
        time, frame = self._previous
        last = self._end - time
        if frame.duration and frame.time_base is not None:
            last = float(frame.duration * frame.time_base)
        end = min(time + last, max(self._end, time + self._step))
        # Half a frame less: a grid time exactly at the end belongs to what follows.
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
        """The grid begins with a frame of its own, so that it meets the frames that follow."""
        self.zero = time
        if self._low is None:
            return
        if self._before is not None and time - self._low > _PAUSE_STEPS * self._step:
            self.zero = self._low  # in a pause, which the frame before it fills
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
