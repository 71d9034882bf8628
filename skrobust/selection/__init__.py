"""Which rows of a batch train which network: scores, rules, schedules, exchange, memory."""

from skrobust.selection._exchange import derangement, exchange
from skrobust.selection._memory import ScoreMemory, ScoreWindow
from skrobust.selection._rules import (
    Selection,
    drop_above,
    keep_all,
    keep_both,
    keep_count,
    keep_disagreement,
    keep_lowest,
    keep_lowest_per_group,
    keep_single_lowest,
)
from skrobust.selection._schedules import DropSchedule, Progress, binomial_margin
from skrobust.selection._scores import (
    absolute_error,
    absolute_gradient_norm,
    binary_crossentropy,
    bootstrap,
    bootstrap_gradient_norm,
    crossentropy,
    crossentropy_gradient_norm,
    error_beyond,
    gaussian_divergence,
    huber,
    huber_gradient_norm,
    squared_error,
    squared_gradient_norm,
)
from skrobust.selection._spectral import spectral_signature_scores

__all__ = [
    "DropSchedule",
    "Progress",
    "ScoreMemory",
    "ScoreWindow",
    "Selection",
    "absolute_error",
    "absolute_gradient_norm",
    "binary_crossentropy",
    "binomial_margin",
    "bootstrap",
    "bootstrap_gradient_norm",
    "crossentropy",
    "crossentropy_gradient_norm",
    "derangement",
    "drop_above",
    "error_beyond",
    "exchange",
    "gaussian_divergence",
    "huber",
    "huber_gradient_norm",
    "keep_all",
    "keep_both",
    "keep_count",
    "keep_disagreement",
    "keep_lowest",
    "keep_lowest_per_group",
    "keep_single_lowest",
    "spectral_signature_scores",
    "squared_error",
    "squared_gradient_norm",
]
