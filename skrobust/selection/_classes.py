"""Trimming that takes account of how often each label is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from skrobust.selection._rules import Selection
from skrobust.selection._scores import crossentropy_gradient_norm
from skrobust.selection._selectors import Progress, Trim

__all__ = ["PriorTrim", "leaving_ratio"]

_SHARPNESS = 4  # power of the probability that a row of a class counts with
_LEAST_ROWS = 10.0  # of right labels, which each class is given besides
_REMEMBERED = 50  # batches
_OVERLAP = 0.05  # of each class, that is not counted
_UNEQUAL = 1.5
_LEAST_KEPT = 0.25  # of each label
_NAMES = {0.0: "loss-gradient", 0.5: "mixture", 1.0: "prior-adjusted"}


def leaving_ratio(counts: Tensor, given: Tensor) -> float:
    """How much more often rows of rare labels are given another label than those of frequent ones.

    Parameters
    ----------
    counts : Tensor of shape (n_classes, n_classes)
        Rows by the class that they seem to be of and by their given label.
    given : Tensor of shape (n_classes,)
        Share of the rows that have each label.

    Returns
    -------
    float
        Mean share of other labels over the classes that are given less often than the average,
        over that of the classes that are given more often, 0.05 added to both; 1 where all are
        given alike.
    """
    counts = counts + _LEAST_ROWS * torch.eye(len(counts), dtype=counts.dtype, device=counts.device)
    leaving = 1.0 - counts.diagonal() / counts.sum(dim=1)
    rare = given < given.mean()
    if not rare.any():
        return 1.0
    return float((leaving[rare].mean() + _OVERLAP) / (leaving[~rare].mean() + _OVERLAP))


@dataclass
class PriorTrim(Trim):
    """Drops the share of a schedule, ranking rows by logits that leave out how common a label is.

    A network has learnt how often each label is given. A row of a rare label has a large gradient
    for that alone, so that right rows of the rare label go first; logits minus the logarithm of the
    label's share do not have this, but take wrong labels that are spread evenly for right ones
    where they are rare. So half of it is subtracted. In the warm-up it is counted what the networks
    take the rows for (:func:`leaving_ratio`); where rows of the rare labels leave their class 1.5
    times as often as others, as with positives that are recorded as negatives, all of it is
    subtracted from then on; where the others leave so much more often, nothing. A quarter of the
    rows of each label is kept in any case, so that none is lost before it is learnt.

    Parameters
    ----------
    schedule, rule, per_group, score_limit, n_recent : as in Trim
        How many rows are dropped, and how.
    norm : callable ``(output, target) -> Tensor (n_networks, n_rows)``
        Score of rows by logits; by default the norm of the gradient of the cross-entropy.
    strength : {0, 0.5, 1}, default=0.5
        How much of the logarithm is subtracted.
    is_decided : bool, default=False
        Whether ``strength`` stays as it is.

    References
    ----------
    .. [1] Menon, A. K. et al. Long-tail learning via logit adjustment. ICLR, 2021. For logits minus
       the logarithm of the labels' shares.
    """

    norm: Callable[[Tensor, Tensor], Tensor] = crossentropy_gradient_norm
    strength: float = 0.5
    is_decided: bool = False
    given: Tensor | None = field(default=None, init=False, repr=False)
    counts: Tensor | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """What ``selection_`` of an estimator says."""
        return _NAMES[self.strength]

    def rescore(self, scores: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        """Score rows by adjusted logits (n_networks, n_rows, n_classes), see :class:`Selector`."""
        labels = F.one_hot(y, outputs.shape[-1]).float()
        if self.given is None:
            self.given = torch.ones_like(labels[0])
        if not self.is_decided:
            self.given = self.given + labels.sum(dim=0)
            believed = outputs.detach().float().softmax(dim=-1).mean(dim=0) ** _SHARPNESS
            past = 0.0 if self.counts is None else self.counts * (1.0 - 1.0 / _REMEMBERED)
            self.counts = past + believed.T @ labels
        if self.strength == 0:
            return scores
        logs = (self.given / self.given.sum()).log()
        return self.norm(outputs.detach() - (self.strength * logs).to(outputs.dtype), y)

    def __call__(self, scores: Tensor, y: Tensor, row_ids: Tensor, progress: Progress) -> Selection:
        """Choose the rows that are kept, see :class:`Selector`."""
        is_over = self.schedule.reached(progress) >= self.schedule.rate
        if is_over and not self.is_decided and self.counts is not None and self.given is not None:
            self.is_decided = True
            ratio = leaving_ratio(self.counts, self.given / self.given.sum())
            if ratio > _UNEQUAL:
                self.strength = 1.0
            elif ratio < 1.0 / _UNEQUAL:
                self.strength = 0.0
        kept = super().__call__(scores, y, row_ids, progress)
        if self.given is None or self.schedule.reached(progress) == 0:
            return kept
        return _keep_some_of_each(kept, scores, F.one_hot(y, len(self.given)))


def _keep_some_of_each(kept: Selection, scores: Tensor, labels: Tensor) -> Selection:
    """Keep the best quarter of each label besides; ``labels`` are (n_rows, n_classes), 0 or 1."""
    order = torch.sort(scores, dim=-1, stable=True).indices
    ordered = labels[order]  # (n_networks, n_rows, n_classes)
    place = (ordered.cumsum(dim=1) * ordered).sum(dim=2)  # within the label, from 1
    least = (ordered * torch.floor(_LEAST_KEPT * labels.sum(dim=0))).sum(dim=2)
    chosen = kept.mask(scores.shape[1]).gather(1, order) | (place <= least)
    return kept._replace(rows=order, weights=chosen.to(scores.dtype))
