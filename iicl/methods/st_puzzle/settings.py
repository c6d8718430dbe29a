"""Settings of the space-time cubic puzzles. Imports no torch.

There is no official code, and only the first page of the paper could be read. "From memory" marks
values that are known from the literature and were not checked against the paper.
"""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from iicl.config import Clip, Count, Fraction
from iicl.methods.settings import Encoded, Extra
from iicl.methods.video_only import VideoOnlySettings
from iicl.samples import DRAWS, Sample

NUM_PIECES = 4
NUM_ORDERS = math.factorial(NUM_PIECES)
SPATIAL_GRID = 2  # cells along each side of the frame; four make a spatial quadruple

Kind = Literal["temporal", "spatial"]


class Settings(VideoOnlySettings):
    """Four pieces of a video are shown in a random order; which of 24 is it?

    A temporal quadruple takes one piece from each of four slots of time, all from one cell of the
    frame. A spatial one takes one piece from each of the 2 x 2 cells of the frame, all in one slot.
    Each piece lies at a random place within its slot and its cell, so that the borders of two
    pieces do not continue each other.

    With ``signal`` "destroyed" each item is a video of one colour.
    """

    SYSTEM: ClassVar[str] = "ST-Puzzle"
    REFERENCE: ClassVar[str] = (
        "Kim, Cho, Kweon: Self-supervised Video Representation Learning with Space-Time Cubic"
        " Puzzles, 2019; its first page"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "Sizes of slots, cells and pieces are from memory, as the body of the paper could not be"
        " read.",
        "The head is our choice: two fully connected layers on the four features one after the"
        " other.",
        "Half of the items are temporal and half are spatial puzzles, with a head for each kind;"
        " whether the authors mix them in a batch could not be read.",
    )

    name: Literal["st_puzzle"] = "st_puzzle"
    kinds: Literal["both", "temporal", "spatial"] = "both"  # [57]
    slot_frames: Count = 32  # a slot is a quarter of the video; from memory: 128 frames
    piece_frames: Count = 16  # from memory
    piece_side: Annotated[Fraction, Field(gt=0)] = 80 / 224  # of the frame's side; from memory
    # Cells along each side of the frame, of which a temporal quadruple has one; from memory: 2
    temporal_grid: Literal[1, 2] = 2  # [57]
    channel_replication: bool = True  # one random colour for all three; from memory [57]
    hidden: Count = 512  # of the first layer of a head; our choice

    @model_validator(mode="after")
    def _pieces_fit(self) -> "Settings":
        if self.piece_frames > self.slot_frames:
            raise ValueError(
                f"piece_frames must be at most slot_frames ({self.slot_frames}),"
                f" got {self.piece_frames}"
            )
        grid = self.finest_grid()
        if self.piece_side > 1 / grid:
            raise ValueError(
                f"piece_side must be at most 1 / {grid} of the frame, so that a piece lies in a"
                f" cell, got {self.piece_side}"
            )
        return self

    def asked(self) -> tuple[Kind, ...]:
        """The kinds of puzzles that there are."""
        return ("temporal", "spatial") if self.kinds == "both" else (self.kinds,)

    def finest_grid(self) -> int:
        """Cells along each side of the frame, of the kind that has more of them."""
        grids = {"temporal": self.temporal_grid, "spatial": SPATIAL_GRID}
        return max(grids[kind] for kind in self.asked())

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """A video of four slots, and random numbers: kind, order, cell, colour and places."""
        video = Sample("video", num_frames=NUM_PIECES * self.slot_frames, whole=True)
        return video, DRAWS, Sample("draws:1")

    def side(self, size: int) -> int:
        """Side of a piece of frames of a size, in pixels, 1 or more."""
        return max(1, round(self.piece_side * size))

    def encoded_clip(self, sample: Sample, clip: Clip) -> Clip:
        """One of the four pieces."""
        update = {"num_frames": self.piece_frames, "size": self.side(clip.size)}
        return clip.model_copy(update=update)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """A head for each kind; four pieces of each video."""
        (video,) = encoded
        first = (NUM_PIECES * video.encoder.feature_dim + 1) * self.hidden
        heads = len(self.asked()) * (first + (self.hidden + 1) * NUM_ORDERS)
        return Extra(parameters=heads, encodings={"video": NUM_PIECES})
