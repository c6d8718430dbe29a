"""Variance components of a crossed design, and how often an interval over seeds covers the mean.

Model of the value of training seed t on corpus c (Searle, Casella & McCulloch, *Variance
Components*, 1992, ch. 4; one observation in each cell):

    y_tc = mu + a_t + b_c + e_tc,   a_t ~ N(0, s_a^2),  b_c ~ N(0, s_b^2),  e_tc ~ N(0, s_e^2)

independent. The interaction of training seed and corpus cannot be told from the rest: both are in
e. With T training seeds, C corpora and the means y_t., y_.c, y_.. the mean squares are

    MS_a = C sum_t (y_t. - y_..)^2 / (T - 1)               E MS_a = s_e^2 + C s_a^2
    MS_b = T sum_c (y_.c - y_..)^2 / (C - 1)               E MS_b = s_e^2 + T s_b^2
    MS_e = sum_tc (y_tc - y_t. - y_.c + y_..)^2 / ((T - 1)(C - 1))     E MS_e = s_e^2

and the estimates of the components solve these equations; a negative one counts as 0.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
NUM_DRAWS = 200_000
"""Simulated tables; the Monte-Carlo standard error of a coverage is 0.05 to 0.11 points."""


@dataclass(frozen=True)
class Components:
    """Standard deviations of the three sources, in the unit of the values, each 0 or more."""

    training: float
    corpus: float
    rest: float


@dataclass(frozen=True)
class Coverage:
    """How an interval behaves.

    Attributes:
        share: of simulated intervals that hold mu, 0-1.
        half_width: their mean half-width, in the unit of the values.
    """

    share: float
    half_width: float


def components(values: np.ndarray) -> Components:
    """The components of a table.

    Args:
        values: (training seeds, corpora), two or more of each, all finite.

    Raises:
        ValueError: if the table is smaller or holds a value that is not finite.
    """
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(f"a full table of 2 x 2 values or more is needed, got {values.tolist()}")
    num_training, num_corpora = values.shape
    of_training = values.mean(axis=1, keepdims=True)
    of_corpus = values.mean(axis=0, keepdims=True)
    mean = values.mean()
    rest = values - of_training - of_corpus + mean
    square_rest = (rest**2).sum() / ((num_training - 1) * (num_corpora - 1))
    square_training = num_corpora * ((of_training - mean) ** 2).sum() / (num_training - 1)
    square_corpus = num_training * ((of_corpus - mean) ** 2).sum() / (num_corpora - 1)
    return Components(
        math.sqrt(max(0.0, (square_training - square_rest) / num_corpora)),
        math.sqrt(max(0.0, (square_corpus - square_rest) / num_training)),
        math.sqrt(square_rest),
    )


def coverage(of: Components, num_seeds: int, *, shares_corpus: bool) -> Coverage:
    """How often the 95 % t interval over seeds covers mu, the mean over training seeds and corpora.

    The interval is mean ± t(0.975, n - 1) sd / sqrt(n). The values are drawn from the model with a
    fixed seed.

    Args:
        of: standard deviations of the sources.
        num_seeds: n, 2 or more.
        shares_corpus: whether all seeds have one corpus, or each has its own.
    """
    rng = np.random.default_rng(0)
    corpora = rng.normal(0.0, of.corpus, (NUM_DRAWS, 1 if shares_corpus else num_seeds))
    own = rng.normal(0.0, math.hypot(of.training, of.rest), (NUM_DRAWS, num_seeds))
    values = corpora + own
    factor = stats.t.ppf((1 + LEVEL) / 2, num_seeds - 1) / math.sqrt(num_seeds)
    half_widths = factor * values.std(axis=1, ddof=1)
    covers = np.abs(values.mean(axis=1)) <= half_widths
    return Coverage(float(covers.mean()), float(half_widths.mean()))
