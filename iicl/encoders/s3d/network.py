"""S3D and S3D-G: torchvision's network at any width, with or without gates."""

import torch
from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.encoders.network import Encoder, Unit, initialise
from iicl.encoders.s3d.settings import InceptionSizes, Settings, check_extent
from iicl.models.channels_last import SpatialConv3d, TemporalConv3d

# torchvision has a momentum of 1e-3, which suits the many steps of a large training: after 450
# steps its running statistics would still be 64 % the initial ones, and features in evaluation mode
# wrong. So batch norm keeps torch's momentum of 0.1, as in the other encoders.
EPS = 1e-3


class S3D(Encoder):
    """S3D without a classifier.

    Width 64 is ``features`` of torchvision's ``s3d``: the same state names and 7,910,048
    parameters. With gates it has 9,098,000.

    Args:
        settings: its sizes.
        gated: each branch of an Inception block ends with a gate.
    """

    def __init__(self, settings: Settings, gated: bool = False) -> None:
        super().__init__()
        self.feature_dim = settings.feature_dim
        self._title = settings.TITLE
        width = settings.width
        first, middle, last = (
            [_Inception(sizes, gated) for sizes in stage] for stage in settings.stages()
        )
        layers = [
            _separable(3, width, 7, 2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            _pointwise(width, width),
            _separable(width, settings.second_planes, 3, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *first,
            nn.MaxPool3d(3, 2, 1),
            *middle,
            nn.MaxPool3d(2, 2, 0),
            *last,
        ]
        self.features = nn.Sequential(*layers)
        initialise(self)

    def tokens(self, video: Tensor) -> Tensor:
        """The feature map before pooling, one token for each of its L = T' x H' x W' places.

        Args:
            video: (B, 3, T, H, W), normalised RGB.

        Returns:
            (B, L, D) with D = ``feature_dim``.

        Raises:
            ValueError: if the video is too short or too small.
        """
        check_extent(self._title, *video.shape[2:])
        return self.features(video).permute(0, 2, 3, 4, 1).flatten(1, 3)


def _pointwise(in_planes: int, planes: int) -> Unit:
    return Unit(SpatialConv3d(in_planes, planes, 1), EPS)


def _separable(in_planes: int, planes: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Unit(SpatialConv3d(in_planes, planes, size, stride), EPS),
        Unit(TemporalConv3d(planes, planes, size, stride), EPS),
    )


class _Inception(nn.Module):
    """torchvision's Inception block, whose branches may end with gates."""

    def __init__(self, sizes: InceptionSizes, gated: bool) -> None:
        super().__init__()
        in_planes = sizes.in_planes
        self.branch0 = _pointwise(in_planes, sizes.branch_0)
        self.branch1 = nn.Sequential(
            _pointwise(in_planes, sizes.middle_1),
            _separable(sizes.middle_1, sizes.branch_1, 3, 1),
        )
        self.branch2 = nn.Sequential(
            _pointwise(in_planes, sizes.middle_2),
            _separable(sizes.middle_2, sizes.branch_2, 3, 1),
        )
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), _pointwise(in_planes, sizes.branch_3))
        self.gates = nn.ModuleList(_Gate(planes) for planes in sizes.branches if gated)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) to as many places with the channels of the four branches."""
        branches = [
            branch(x) for branch in (self.branch0, self.branch1, self.branch2, self.branch3)
        ]
        if self.gates:
            branches = [gate(y) for gate, y in zip(self.gates, branches, strict=True)]
        return torch.cat(branches, 1)


class _Gate(nn.Module):
    """Scales each channel by a function of the means of all: x * sigmoid(W mean(x) + b).

    CoCLR's code has one after each branch of an Inception block (TengdaHan/CoCLR).
    """

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.map = nn.Linear(planes, planes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W), scaled."""
        scale = self.map(x.mean((2, 3, 4))).sigmoid()
        return x * scale[:, :, None, None, None]


def build(settings: Settings, facts: CorpusFacts) -> S3D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return S3D(settings)
