"""The undamaged clips that the fuzz starts from: a flash in the picture, a click in the sound.

Flash and click begin at the same time; the clock of a clip need not start at 0. PyAV writes all
clips bit-exactly, so that the same seed always gives the same file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

EVENT_SECONDS = 1.2
FLASH_SECONDS = 0.2
CLICK_SECONDS = 0.02
SIZE = (48, 64)  # height and width in pixels
_BLOCK = 1024  # samples in a packet of uncompressed sound
# Ending of the file name -> FFmpeg's name of the container, where the two differ.
FORMATS = {"ts": "mpegts", "mpg": "vob", "m4a": "ipod", "mkv": "matroska"}
LAYOUTS = {1: "mono", 2: "stereo", 8: "7.1"}


@dataclass(frozen=True)
class Clip:
    """How one clip is written.

    Attributes:
        name: name of the file; its ending chooses the container.
        video: encoder of the picture; empty for a clip without picture.
        audio: encoder of the sound; empty for a clip without sound.
        fps: pictures per second.
        seconds: length of picture and sound.
        rate: sample rate of the sound in Hz.
        channels: number of channels of the sound.
        pause: begin and end in seconds of a stretch without a new picture.
        picture_starts: seconds at which the picture begins.
        sound_starts: seconds at which the sound begins.
        clock_starts: seconds that are added to all time stamps.
        last_seconds: length of the last frame as the file states it; 0 for that of the others.
        num_b_frames: greatest number of B-frames in a row.
        gop: number of frames from one key frame to the next.
        options: options of the container.
        gains: a factor for each channel; 0 makes it silent.
        change: turns the bytes that PyAV writes into those of the clip.
    """

    name: str
    video: str = ""
    audio: str = ""
    fps: int = 25
    seconds: float = 2.4
    rate: int = 44_100
    channels: int = 2
    pause: tuple[float, float] = (0.0, 0.0)
    picture_starts: float = 0.0
    sound_starts: float = 0.0
    clock_starts: float = 0.0
    last_seconds: float = 0.0
    num_b_frames: int = 0
    gop: int = 12
    options: dict[str, str] = field(default_factory=dict)
    gains: tuple[float, ...] = ()
    change: Callable[[bytes], bytes] | None = None

    @property
    def container(self) -> str:
        """The ending of the file's name."""
        return self.name.rsplit(".", 1)[1]

    @property
    def is_joined(self) -> bool:
        """Whether the file consists of two equal files, one behind the other."""
        return self.change is _twice


def _twice(content: bytes) -> bytes:
    return content + content


def _with_matrix(*values: int) -> Callable[[bytes], bytes]:
    """Overwrites the picture's display matrix (a, b, c, d) in the first track header."""

    def change(content: bytes) -> bytes:
        begin = content.index(b"tkhd") + 44
        a, b, c, d = (value * 0x10000 for value in values)
        matrix = np.array([a, b, 0, c, d, 0, 0, 0, 0x40000000], ">i4").tobytes()
        return content[:begin] + matrix + content[begin + len(matrix) :]

    return change


def _with_nan(content: bytes) -> bytes:
    """Overwrites ten samples in the middle of 32-bit float PCM."""
    begin = len(content) // 4 & ~3
    return content[:begin] + np.full(10, np.nan, "<f4").tobytes() + content[begin + 40 :]


CLIPS = (
    Clip("h264-aac.mp4", "libx264", "aac", num_b_frames=2),
    Clip(
        "fragmented.mp4",
        "libx264",
        "aac",
        options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ),
    Clip("faststart.mp4", "libx264", "aac", options={"movflags": "faststart"}),
    Clip("surround.mp4", "libx264", "aac", rate=48_000, channels=8),
    Clip("mirrored.mp4", "libx264", "aac", change=_with_matrix(-1, 0, 0, 1)),
    Clip("turned.mp4", "libx264", "aac", change=_with_matrix(0, 1, -1, 0)),
    Clip("negative.mp4", "libx264", "aac", num_b_frames=2, clock_starts=-0.4),
    Clip("long-last-frame.mp4", "libx264", "aac", last_seconds=20.0),
    Clip("prores.mov", "prores_ks", "pcm_s16le"),
    Clip("mjpeg.mov", "mjpeg", "pcm_s16be", fps=15),
    Clip("h264-opus.mkv", "libx264", "libopus", rate=48_000, num_b_frames=2),
    Clip("long-gop.mkv", "libx264", "flac", gop=250),
    Clip("pause.mkv", "libx264", "libopus", rate=48_000, fps=30, pause=(0.3, EVENT_SECONDS)),
    Clip("late-sound.mkv", "libx264", "pcm_s16le", sound_starts=0.5),
    Clip("late-picture.mkv", "libx264", "libmp3lame", picture_starts=0.5),
    Clip("starts-at-7.mkv", "libx264", "aac", clock_starts=7.0),
    Clip("silent.mkv", "libx264", "flac", gains=(0.0, 0.0)),
    Clip("mpeg4-mp3.avi", "mpeg4", "libmp3lame"),
    Clip("mjpeg-u8.avi", "mjpeg", "pcm_u8", rate=22_050, channels=1),
    Clip("out-of-phase.avi", "mpeg4", "pcm_s16le", gains=(1.0, -1.0)),
    Clip("h264-aac.ts", "libx264", "aac", num_b_frames=2),
    Clip("mpeg2-mp2.ts", "mpeg2video", "mp2", clock_starts=3600.0),
    Clip("joined.ts", "libx264", "aac", change=_twice),
    Clip("mpeg2-mp2.mpg", "mpeg2video", "mp2"),
    Clip("joined.mpg", "mpeg2video", "mp2", change=_twice),
    Clip("vp8-opus.webm", "libvpx", "libopus", rate=48_000),
    Clip("vp9-opus.webm", "libvpx-vp9", "libopus", rate=48_000),
    Clip("no-duration.webm", "libvpx", "libopus", rate=48_000, options={"live": "1"}),
    Clip("h264-aac.flv", "libx264", "aac", num_b_frames=2),
    Clip("flv1-mp3.flv", "flv", "libmp3lame"),
    Clip("picture.gif", "gif", fps=10),
    Clip("raw.h264", "libx264"),
    Clip("picture.mp4", "libx264", num_b_frames=2),
    Clip("sound.wav", "", "pcm_s16le"),
    Clip("u8.wav", "", "pcm_u8", channels=1, rate=8000),
    Clip("nan.wav", "", "pcm_f32le", channels=1, change=_with_nan),
    Clip("sound.flac", "", "flac"),
    Clip("sound.mp3", "", "libmp3lame"),
    Clip("sound.ogg", "", "libopus", rate=48_000),
    Clip("sound.m4a", "", "aac"),
)


def write(clip: Clip, path: Path) -> None:
    """Writes the clip's file."""
    options = {"fflags": "+bitexact", **clip.options}
    if clip.clock_starts < 0:
        options["avoid_negative_ts"] = "disabled"
    kind = FORMATS.get(clip.container, clip.container)
    with av.open(str(path), "w", format=kind, options=options) as container:
        packets = []
        if clip.video:
            packets += _picture_packets(clip, container)
        if clip.audio:
            packets += _sound_packets(clip, container)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    if clip.change is not None:
        path.write_bytes(clip.change(path.read_bytes()))


def _picture_packets(clip: Clip, container: av.container.OutputContainer) -> list[av.Packet]:
    stream = container.add_stream(clip.video, rate=clip.fps)
    context = stream.codec_context
    formats = {"mjpeg": "yuvj420p", "gif": "rgb8", "prores_ks": "yuv422p10le"}
    context.height, context.width = SIZE
    context.pix_fmt = formats.get(clip.video, "yuv420p")
    context.gop_size, context.thread_count = clip.gop, 1
    context.max_b_frames = clip.num_b_frames
    context.flags |= av.codec.context.Flags.bitexact
    context.bit_rate = 400_000
    context.options = {
        "libx264": {"preset": "veryfast", "crf": "20"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    }.get(clip.video, {})
    packets = []
    for number in range(round(clip.seconds * clip.fps)):
        time = Fraction(number, clip.fps)
        if time < clip.picture_starts or clip.pause[0] < time < clip.pause[1]:
            continue
        frame = av.VideoFrame.from_ndarray(_picture(float(time)), format="rgb24")
        frame = frame.reformat(format=context.pix_fmt)
        frame.time_base = Fraction(1, clip.fps)
        frame.pts = number + round(clip.clock_starts * clip.fps)
        packets += stream.encode(frame)
    packets += stream.encode(None)
    if clip.last_seconds:
        packets[-1].duration = round(clip.last_seconds / packets[-1].time_base)
    return packets


def _picture(time: float) -> np.ndarray:
    """A dark field with a square that moves; white during the flash."""
    if EVENT_SECONDS - 1e-6 <= time < EVENT_SECONDS + FLASH_SECONDS - 1e-6:
        return np.full((*SIZE, 3), 250, np.uint8)
    picture = np.full((*SIZE, 3), 40, np.uint8)
    left = round(20 * time) % (SIZE[1] - 8)
    picture[20:28, left : left + 8] = 120
    return picture


def _sound_packets(clip: Clip, container: av.container.OutputContainer) -> list[av.Packet]:
    stream = container.add_stream(clip.audio, rate=clip.rate, layout=LAYOUTS[clip.channels])
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    stream.codec_context.thread_count = 1
    times = np.arange(round(clip.sound_starts * clip.rate), round(clip.seconds * clip.rate))
    times = times / clip.rate
    since = times - EVENT_SECONDS
    click = (since >= -1e-9) & (since < CLICK_SECONDS)
    mono = 0.01 * np.sin(2 * np.pi * 300 * times)
    mono += np.where(click, 0.8 * np.cos(2 * np.pi * 1000 * since), 0)
    gains = np.array(clip.gains or [1.0] * clip.channels)
    samples = np.rint(32767 * mono[:, None] * gains).astype(np.int16)
    packets = []
    for begin in range(0, len(samples), _BLOCK):
        frame = av.AudioFrame.from_ndarray(
            samples[begin : begin + _BLOCK].reshape(1, -1),
            format="s16",
            layout=LAYOUTS[clip.channels],
        )
        frame.sample_rate = clip.rate
        frame.time_base = Fraction(1, clip.rate)
        frame.pts = begin + round((clip.sound_starts + clip.clock_starts) * clip.rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
