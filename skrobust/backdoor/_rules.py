"""The rules for wrong labels that chapter 5 is built on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skrobust._validation import Interval, Real, StrOptions
from skrobust.diagnosis import FALLBACK_RATE, CorruptionEstimate
from skrobust.selection import DropSchedule, Trim, crossentropy, crossentropy_gradient_norm
from skrobust.supervised._base import RowFunction
from skrobust.supervised._classes import LabelMixin, bootstrap_functions
from skrobust.training import RobustStep, SharedPass

__all__ = [
    "NoisyLabelRule",
    "PoisonedLabelMixin",
    "drop_schedule",
    "noisy_label_rule",
    "plain_step",
    "selects_per_class",
]

_WARMUP_STEPS = 100


class NoisyLabelRule(NamedTuple):
    """Loss and score of each row (None ranks by the loss), and whether rows are dropped."""

    loss: RowFunction
    score: RowFunction | None
    drops: bool


def noisy_label_rule(name: str | None) -> NoisyLabelRule:
    """Look up "prl", "spl", "bootstrap" or None (no rule)."""
    loss = bootstrap_functions(hard=False)[0] if name == "bootstrap" else crossentropy
    score = crossentropy_gradient_norm if name == "prl" else None
    return NoisyLabelRule(loss, score, drops=name in ("prl", "spl"))


def drop_schedule(rate: float, warmup: int | float | str, margin: float) -> DropSchedule:
    """Make a schedule; ``warmup="auto"`` takes the epochs that come nearest to 100 steps."""
    if isinstance(warmup, str):
        return DropSchedule(rate, margin=margin, warmup_steps=_WARMUP_STEPS)
    return DropSchedule(rate, warmup=warmup, margin=margin)


def selects_per_class(per_class: bool | str, n_classes: int) -> bool:
    """Resolve ``per_class="auto"``: from three classes on."""
    return n_classes > 2 if per_class == "auto" else bool(per_class)


def plain_step(model: Any) -> RobustStep:
    """Step of a classifier by its rule for wrong labels, without perturbations."""
    rule = noisy_label_rule(model.noisy_label)
    rate = model.corruption_rate_ if rule.drops else 0.0
    schedule = DropSchedule(rate, warmup=model.warmup, margin=model.margin)
    per_group = selects_per_class(model.per_class, len(model.classes_))
    return SharedPass(
        loss=rule.loss,
        score=rule.score,
        selector=Trim(schedule, per_group=per_group),
        memory=model.memory,
        memory_decay=model.memory_decay,
    )


class PoisonedLabelMixin(LabelMixin):
    """What classifiers for poisoned labels share: networks that learn a trigger agree with it."""

    _label_constraints: dict = {
        "noisy_label": [None, StrOptions({"prl", "spl", "bootstrap"})],
        "memory": [None, StrOptions({"sum", "average"})],
        "memory_decay": [Interval(Real, 0, 1, closed="left")],
        "per_class": ["boolean", StrOptions({"auto"})],
    }
    _bad = "poisoned"

    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        found = super()._judge_rate(predictions, targets)
        doubt = "poison that the estimating networks have learnt agrees with what they predict"
        doubts = doubt if found.doubt is None else f"{found.doubt}; {doubt}"
        return CorruptionEstimate(max(found.rate, FALLBACK_RATE), found.low, 0.5, doubts)
