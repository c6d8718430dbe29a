"""Figure 3: anchors and their nearest neighbours in both modalities, as pictures and sounds."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

HIT, MISS = "#0072B2", "#D55E00"  # of Okabe and Ito's palette; a symbol says the same
WAYS = ("v2v", "a2a", "v2a", "a2v")  # query and gallery, in the order that the stage stores them
PLACES = (("v2v", "v2a"), ("a2a", "a2v"))  # in a box
NAMES = {"v": "video", "a": "sound"}
SIDE = 0.72  # inches of one picture
LABEL_LENGTH = 16  # characters of a line
LABEL_LINES = 2
DPI = 120


class NeighbourItems(Protocol):
    """Anchors, their neighbours, and what all of them look and sound like.

    Attributes:
        ids: of the M items that appear.
        labels: their class names.
        anchors: (A,) rows of the anchors among the M items.
        neighbours: (A, 4, K) rows of the nearest items in the order of ``WAYS``, nearest first.
        similarities: (A, 4, K) their cosines with the anchor.
        frames: (M, 3, H, W, 3) uint8 RGB.
        spectrograms: (M, F, S) log-mel.
    """

    ids: list[str]
    labels: list[list[str]]
    anchors: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    similarities: NDArray[np.float32]
    frames: NDArray[np.uint8]
    spectrograms: NDArray[Any]


def draw(items: NeighbourItems) -> bytes:
    """One box per anchor as a PNG; equal neighbours give equal bytes.

    At the left of a box are the anchor's frames over its spectrogram. At the right, the upper line
    holds what lies nearest to its video, the lower what lies nearest to its sound: items of the
    same modality first, of the other after. A blue frame and a check mark say that a neighbour
    shares the anchor's class, an orange frame and a cross that it does not.
    """
    with mpl.rc_context({"font.size": 7, "text.parse_math": False}):
        picture = io.BytesIO()
        compose(items).savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def compose(items: NeighbourItems) -> Figure:
    """The figure that :func:`draw` writes."""
    num_anchors, _, num_neighbours = items.neighbours.shape
    width = SIDE * (3 + 2 * num_neighbours) * 1.12 + 0.9
    height = num_anchors * (2 * SIDE + 1.3) + 0.3
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    for number, box in enumerate(figure.subfigures(num_anchors, 1, squeeze=False)[:, 0]):
        _box(box, items, number)
    figure.supxlabel(
        "✓ blue frame: of the anchor's class;  ✗ orange frame: of another class;"
        "  numbers: cosine similarity",
        fontsize=7,
    )
    return figure


def _box(box: SubFigure, items: NeighbourItems, number: int) -> None:
    anchor = int(items.anchors[number])
    num_neighbours = items.neighbours.shape[2]
    box.patch.set(facecolor="0.965" if number % 2 == 0 else "white")
    title = f"{', '.join(items.labels[anchor])}   ({items.ids[anchor]})"
    box.suptitle(title, fontsize=8, fontweight="bold", x=0.01, ha="left")
    parts = box.subfigures(1, 2, squeeze=False, width_ratios=(3.3, 2 * num_neighbours + 0.6))
    left, right = parts[0]
    for part in (left, right):
        part.patch.set(alpha=0)
    above, below = left.subplots(2, 1)
    _show(above, np.concatenate(list(items.frames[anchor]), axis=1))
    _sound(below, items, anchor, box_aspect=1 / 3)
    above.set_title("anchor", fontsize=7)
    ratios = (*[1.0] * num_neighbours, 0.2, *[1.0] * num_neighbours)
    grid = right.subplots(2, 2 * num_neighbours + 1, width_ratios=ratios)
    for line, ways in zip(grid, PLACES, strict=True):
        line[num_neighbours].set_visible(False)
        for way, places in zip(
            ways, (line[:num_neighbours], line[num_neighbours + 1 :]), strict=True
        ):
            _neighbours(places, items, number, way)


def _neighbours(places: Sequence[Axes], items: NeighbourItems, number: int, way: str) -> None:
    index = WAYS.index(way)
    for rank, axes in enumerate(places):
        item = int(items.neighbours[number, index, rank])
        if way[2] == "v":
            _show(axes, items.frames[item][1])
        else:
            _sound(axes, items, item, box_aspect=1)
        similarity = float(items.similarities[number, index, rank])
        _mark(axes, items, int(items.anchors[number]), item, similarity)
    places[0].set_title(f"{NAMES[way[0]]} → {NAMES[way[2]]}", fontsize=7, loc="left")


def _show(axes: Axes, picture: NDArray[np.uint8]) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])


def _sound(axes: Axes, items: NeighbourItems, item: int, box_aspect: float) -> None:
    """A spectrogram, low frequencies below, on one scale for the whole figure."""
    spectrogram = items.spectrograms[item].astype(np.float32)
    low, high = np.percentile(items.spectrograms.astype(np.float32), (1, 99)).tolist()
    axes.imshow(spectrogram, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[], box_aspect=box_aspect)


def _mark(axes: Axes, items: NeighbourItems, anchor: int, item: int, similarity: float) -> None:
    hit = bool(set(items.labels[anchor]) & set(items.labels[item]))
    colour = HIT if hit else MISS
    for spine in axes.spines.values():
        spine.set(edgecolor=colour, linewidth=2)
    lines = textwrap.wrap(
        ", ".join(items.labels[item]), LABEL_LENGTH, max_lines=LABEL_LINES, placeholder="…"
    )
    label = "\n".join(lines + [""] * (LABEL_LINES - len(lines)))
    axes.set_xlabel(f"{'✓' if hit else '✗'} {similarity:.2f}\n{label}", color=colour, fontsize=5.5)
