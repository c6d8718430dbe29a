"""What a part is measured by besides an earlier commit: other software, and the hardware itself.

Both do the work of a case on inputs of the same sizes. A peer does it in another library. A bound
is the least that the hardware would need for it: the floating-point operations of the case at the
rate of a large matrix product, the bare matrix product inside it, or a copy of its result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.throughput.cases import CASES, Body, Place, pairs_of_vectors, queries_and_gallery

SIDE = 1024  # of the square matrices whose product is the rate


@dataclass(frozen=True)
class Yardstick:
    """Something that is timed beside a case.

    Attributes:
        name: for a reader.
        setup: gives the function to time, and the factor that brings its time to the case's work.
    """

    name: str
    setup: Callable[[Place], tuple[Body, float]]


def _torchvision_step(frames: int, side: int, batch_size: int) -> Callable[[Place], Any]:
    def setup(place: Place) -> tuple[Body, float]:
        import torch
        from torchvision.models.video import r2plus1d_18

        torch.manual_seed(0)
        network = r2plus1d_18(num_classes=128).to(place.device).train()
        video = torch.randn(batch_size, 3, frames, side, side, device=place.device)

        def body() -> None:
            network.zero_grad(set_to_none=True)
            network(video).sum().backward()

        return body, 1.0

    return setup


def _decode(place: Place) -> tuple[Body, float]:
    import av

    CASES["loader"].setup(place)  # writes the clips
    paths = sorted((place.folder / "source").rglob("*.mp4"))
    assert paths

    def body() -> None:
        for path in paths:
            with av.open(str(path)) as container:
                for _ in container.decode(container.streams.video[0]):
                    pass

    return body, 1.0


def _sklearn_neighbours(place: Place) -> tuple[Body, float]:
    from sklearn.neighbors import NearestNeighbors

    queries, gallery = queries_and_gallery()
    search = NearestNeighbors(n_neighbors=50, algorithm="brute", metric="cosine").fit(gallery)
    return lambda: search.kneighbors(queries, return_distance=False), 1.0


def _sklearn_average_precision(place: Place) -> tuple[Body, float]:
    from sklearn.metrics import average_precision_score

    queries, gallery, labels = pairs_of_vectors()
    count = 100  # of the queries: the rest would only take longer

    def body() -> None:
        for query, label in zip(queries[:count], labels[:count], strict=True):
            average_precision_score(labels == label, gallery @ query)

    return body, len(queries) / count


def _at_gemm_rate(part: str) -> Callable[[Place], tuple[Body, float]]:
    def setup(place: Place) -> tuple[Body, float]:
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        body = CASES[part].setup(place)
        with FlopCounterMode(display=False) as counter:
            body()
        left, right = torch.randn(2, SIDE, SIDE, device=place.device).unbind()
        return lambda: left @ right, counter.get_total_flops() / (2 * SIDE**3)

    return setup


def _product(vectors: Callable[[], tuple[Any, ...]]) -> Callable[[Place], tuple[Body, float]]:
    def setup(place: Place) -> tuple[Body, float]:
        queries, gallery = vectors()[:2]
        return lambda: queries @ gallery.T, 1.0

    return setup


def _copy_of_views(place: Place) -> tuple[Body, float]:
    views: Any = CASES["views"].setup(place)()
    return lambda: [view.clone() for view in views.values()], 1.0


PEERS: Mapping[str, Yardstick] = {
    "full step": Yardstick("torchvision's r2plus1d_18, video alone", _torchvision_step(4, 40, 2)),
    "paper step": Yardstick(
        "torchvision's r2plus1d_18, video alone", _torchvision_step(16, 112, 2)
    ),
    "loader": Yardstick("PyAV decodes the clips, no sound", _decode),
    "retrieval": Yardstick("scikit-learn's NearestNeighbors", _sklearn_neighbours),
    "mAP": Yardstick("scikit-learn's average_precision_score", _sklearn_average_precision),
}
# Without the large batch: torch does not count in a graph that is taken back in parts.
_STEPS = ("desk step", "full step", "paper step", "instance loss", "cluster loss")
BOUNDS: Mapping[str, Yardstick] = {
    **{part: Yardstick("a GEMM of its operations", _at_gemm_rate(part)) for part in _STEPS},
    "retrieval": Yardstick("the matrix product", _product(queries_and_gallery)),
    "mAP": Yardstick("the matrix product", _product(pairs_of_vectors)),
    "views": Yardstick("a copy of the result", _copy_of_views),
}
