"""The rules for wrong labels that chapter 5 is built on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from skrobust._validation import Interval, Real, StrOptions, warn_caller
from skrobust.backdoor._augment import RandomOcclusion
from skrobust.backdoor._perturb import InputPerturbation
from skrobust.diagnosis import FALLBACK_RATE, CorruptionEstimate
from skrobust.selection import DropSchedule, Trim, crossentropy, crossentropy_gradient_norm
from skrobust.supervised._base import RowFunction
from skrobust.supervised._classes import LabelMixin, bootstrap_functions
from skrobust.training import RobustStep, SharedPass

__all__ = [
    "ALGORITHM_6",
    "PLAIN",
    "NoisyLabelRule",
    "PoisonedLabelMixin",
    "algorithm_6",
    "drop_schedule",
    "noisy_label_rule",
    "plain_step",
    "selects_per_class",
]

_WARMUP_STEPS = 100
# Parameters of BackdoorRobustClassifier.
PLAIN: dict[str, Any] = {
    "corruption_rate": 0.0,
    "noisy_label": None,
    "perturbation_limit": 0,
    "occlusion": 0,
    "memory": None,
}
ALGORITHM_6: dict[str, Any] = {
    "noisy_label": "prl",
    "perturbation_limit": 0.05,
    "occlusion": 0.25,
    "memory": "average",
}


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


def algorithm_6(
    settings: dict[str, Any], n_classes: int, low: Any, high: Any, movable: Any
) -> RobustStep:
    """Hide parts of rows, move those that are trusted, update on those that are trusted then.

    Parameters
    ----------
    settings : dict
        Parameters of :class:`skrobust.BackdoorRobustClassifier`, and "corruption_rate_".
    n_classes : int
        How many labels there are.
    low, high, movable : arrays
        Least and largest values of the features, and which of them may change (None: all).
    """
    one = SimpleNamespace(**settings)
    rule = noisy_label_rule(one.noisy_label)
    rate = one.corruption_rate_ if rule.drops else 0.0
    schedule = drop_schedule(rate, one.warmup, one.margin)
    limits: dict = {"low": low, "high": high, "movable": movable}
    hide = RandomOcclusion(one.occlusion, **limits)
    move = InputPerturbation(
        row_loss=rule.loss if one.robust_inner else crossentropy,
        limit=one.perturbation_limit * (high - low),
        form=one.perturbation,
        n_steps=one.n_steps,
        schedule=schedule if one.robust_inner and rate > 0 else None,
        row_score=rule.score,
        **limits,
    )
    return SharedPass(
        loss=rule.loss if one.robust_outer else crossentropy,
        score=rule.score,
        selector=Trim(
            schedule if one.robust_outer else DropSchedule(0.0),
            per_group=selects_per_class(one.per_class, n_classes),
        ),
        perturb=(hide,) * (one.occlusion > 0) + (move,) * (one.perturbation_limit > 0),
        memory=one.memory,
        memory_decay=one.memory_decay,
    )


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

    def _set_rate(self, X: Any, y: Any, pilot: Any = None) -> None:
        super()._set_rate(X, y, pilot)
        drops = noisy_label_rule(getattr(self, "noisy_label", None)).drops
        if not drops or not isinstance(self.corruption_rate, float):
            return
        n_rows = np.unique(y, return_counts=True)[1]
        total, most = n_rows.sum(), n_rows.max()
        overall = not selects_per_class(self.per_class, len(n_rows))
        if overall and most < 2 * self.corruption_rate * total <= total:
            warn_caller(
                f"corruption_rate={self.corruption_rate} of {total} rows is more than half of the "
                f"rows of any label (the most frequent one has {most}): if an attack wants one "
                "label, most of its rows are poisoned, and no guarantee holds"
            )

    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        found = super()._judge_rate(predictions, targets)
        doubt = "poison that the estimating networks have learnt agrees with what they predict"
        doubts = doubt if found.doubt is None else f"{found.doubt}; {doubt}"
        return CorruptionEstimate(max(found.rate, FALLBACK_RATE), found.low, 0.5, doubts)
