"""The rules for wrong labels that chapter 5 is built on."""

from __future__ import annotations

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from skrobust.diagnosis import FALLBACK_RATE, CorruptionEstimate
from skrobust.selection import DropSchedule, crossentropy, crossentropy_gradient_norm
from skrobust.supervised._base import of_rows
from skrobust.supervised._labels import LabelMixin, bootstrap_functions

__all__ = [
    "NoisyLabelRule",
    "PoisonedLabelMixin",
    "drop_schedule",
    "noisy_label_rule",
    "selects_per_class",
    "warn_of_lost_classes",
]

_WARMUP_STEPS = 100


class NoisyLabelRule(NamedTuple):
    """Parts of a step.

    Parameters
    ----------
    plain, loss : callable
        Cross-entropy of each row, and the rule's own loss.
    score : callable or None
        What it ranks rows by; None ranks by the loss.
    drops : bool
        Whether it drops rows.
    """

    plain: partial
    loss: partial
    score: partial | None
    drops: bool


def noisy_label_rule(name: str | None, n_outputs: int) -> NoisyLabelRule:
    """Look up "prl", "spl", "bootstrap" or None (no rule) for so many classes."""

    def by_row(function) -> partial:
        return partial(of_rows, function=function, n_outputs=n_outputs)

    plain = by_row(crossentropy)
    loss = by_row(bootstrap_functions(hard=False)[0]) if name == "bootstrap" else plain
    score = by_row(crossentropy_gradient_norm) if name == "prl" else None
    return NoisyLabelRule(plain, loss, score, drops=name in ("prl", "spl"))


def drop_schedule(rate: float, warmup: int | float | str, margin: float) -> DropSchedule:
    """Make a schedule; ``warmup="auto"`` takes the epochs that come nearest to 100 steps."""
    if isinstance(warmup, str):
        return DropSchedule(rate, margin=margin, warmup_steps=_WARMUP_STEPS)
    return DropSchedule(rate, warmup=warmup, margin=margin)


def selects_per_class(per_class: bool | str, n_classes: int) -> bool:
    """Resolve ``per_class="auto"``: from three classes on."""
    return n_classes > 2 if per_class == "auto" else bool(per_class)


class PoisonedLabelMixin(LabelMixin):
    """What classifiers for poisoned labels share: networks that learn a trigger agree with it."""

    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        found = super()._judge_rate(predictions, targets)
        doubt = "poison that the estimating networks have learnt agrees with what they predict"
        doubts = doubt if found.doubt is None else f"{found.doubt}; {doubt}"
        return CorruptionEstimate(max(found.rate, FALLBACK_RATE), found.low, 0.5, doubts)


def warn_of_lost_classes(
    classes: np.ndarray, targets: np.ndarray, kept: np.ndarray, rate: float
) -> None:
    """Warn of classes of which more than half of the rows are not trusted."""
    n_rows = np.bincount(targets, minlength=len(classes))
    n_kept = np.bincount(targets[kept], minlength=len(classes))
    lost = classes[2 * n_kept < n_rows]
    if len(lost):
        names = ", ".join(map(repr, lost.tolist()))
        warnings.warn(
            f"more than half of the rows labelled {names} are not trusted: if that many are "
            "poisoned, no guarantee holds; if they are rare or unlike the others, a smaller "
            f"corruption_rate (now {rate}) keeps them",
            UserWarning,
            stacklevel=5,
        )
