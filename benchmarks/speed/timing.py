"""Ratios of two running times, measured so that a busy machine bends them little."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Ratio", "compare", "quartiles", "seconds"]


class Ratio(NamedTuple):
    """Median and quartiles over the rounds of a measurement.

    Attributes
    ----------
    median, q1, q3 : float
        Of the rounds' ratios.
    n_rounds : int
        Number of rounds.
    """

    median: float
    q1: float
    q3: float
    n_rounds: int


def compare(
    subject: Callable[[], object],
    base: Callable[[], object],
    *,
    rounds: int = 9,
    warm_up: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> Ratio:
    """Time of ``subject`` over time of ``base``, interleaved in this process.

    Each round is t(subject) / mean(t(base) just before, t(base) just after), so that a machine
    that slows down over the measurement slows both. Swap the two for a ratio of rates.

    Parameters
    ----------
    subject, base : callable without argument
        The work; both must do the same amount of it.
    rounds : int, default=9
        Number of rounds.
    warm_up : int, default=1
        Runs of each before the first round, not counted.
    clock : callable, default=time.process_time
        CPU time of this process, which other processes do not add to.
    """
    for _ in range(warm_up):
        base()
        subject()
    ratios = []
    before = seconds(base, clock)
    for _ in range(rounds):
        own = seconds(subject, clock)
        after = seconds(base, clock)
        ratios.append(own / ((before + after) / 2))
        before = after
    return quartiles(ratios)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Time of one run."""
    start = clock()
    work()
    return clock() - start


def quartiles(values: Sequence[float]) -> Ratio:
    """Median and quartiles, linearly interpolated as numpy does; one value is all three."""
    if len(values) == 1:
        return Ratio(values[0], values[0], values[0], 1)
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Ratio(median, q1, q3, len(values))
