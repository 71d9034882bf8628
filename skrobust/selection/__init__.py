"""Which rows of a batch train which network: scores, rules, schedules, exchange, memory."""

from skrobust.selection._exchange import derangement, exchange
from skrobust.selection._memory import ScoreMemory
from skrobust.selection._rules import (
    Selection,
    keep_all,
    keep_count,
    keep_disagreement,
    keep_lowest,
    keep_lowest_per_group,
    keep_single_lowest,
)
from skrobust.selection._schedules import DropSchedule, Progress, binomial_margin
from skrobust.selection._scores import binary_crossentropy, gaussian_divergence, squared_error

__all__ = [
    "DropSchedule",
    "Progress",
    "ScoreMemory",
    "Selection",
    "binary_crossentropy",
    "binomial_margin",
    "derangement",
    "exchange",
    "gaussian_divergence",
    "keep_all",
    "keep_count",
    "keep_disagreement",
    "keep_lowest",
    "keep_lowest_per_group",
    "keep_single_lowest",
    "squared_error",
]
