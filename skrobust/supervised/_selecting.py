"""What the learners of chapter 4 share: every choice of rows, losses and clipping."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any

from skorch.callbacks import GradientNormClipping
from torch import Tensor

from skrobust._validation import Integral, Interval, Real, StrOptions
from skrobust.selection import (
    LIMIT_ROWS,
    DropSchedule,
    PriorTrim,
    Selector,
    Trim,
    huber,
    keep_disagreement,
    keep_lowest,
    keep_single_lowest,
    output_gradient_norm,
    score_of,
)
from skrobust.supervised._base import RobustLearner, RowFunction
from skrobust.training import ByRowGradients, RobustStep, ScoredApart, SharedPass

__all__ = ["SelectingLearner"]

_RULES = {"min": keep_single_lowest, "disagreement": keep_disagreement}
_START_DELTA = 0.1


class SelectingLearner(RobustLearner):
    """Base of the classifier and the regressor of chapter 4.

    A subclass names its losses in :meth:`_row_functions`.
    """

    selection: Any
    loss: Any
    score_limit: float | None = None
    robust_start: float = 0.0
    reforward: bool
    clip: str | None
    max_norm: float
    memory_decay: float

    _parameter_constraints: dict = {
        **RobustLearner._parameter_constraints,
        "selection": [None, StrOptions({"loss-gradient", "gradient", "loss", "min"}), callable],
        "clip": [None, StrOptions({"batch", "row"})],
        "max_norm": [Interval(Real, 0, None, closed="neither")],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "reforward": ["boolean"],
        "memory": [None, StrOptions({"sum", "average"})],
        "memory_decay": [Interval(Real, 0, 1, closed="left")],
    }

    _pilot_settings: dict = {
        **RobustLearner._pilot_settings,
        "selection": "loss-gradient",
        "n_networks": 1,
    }

    @abstractmethod
    def _row_functions(self) -> tuple[RowFunction, RowFunction]:
        """Loss of each row, and the norm of its gradient at the output (Algorithm 4)."""

    def row_losses(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each row: a subclass may have one of its own.

        Parameters
        ----------
        output : Tensor of shape (n_networks, n_rows, n_outputs)
            Of the networks.
        target : Tensor of shape (n_rows, ...) or (n_networks, n_rows, ...)
            Labels as numbers from 0, or scaled targets (n_rows, n_outputs).

        Returns
        -------
        Tensor of shape (n_networks, n_rows)
        """
        return self._row_functions()[0](output, target)

    def _losses(self) -> tuple[RowFunction, RowFunction]:
        """The same, of a loss of one's own too."""
        own: Any = partial(_checked_losses, loss=self.loss) if callable(self.loss) else None
        if type(self).row_losses is not SelectingLearner.row_losses:
            own = self.row_losses
        if own is None:
            return self._row_functions()
        return own, partial(output_gradient_norm, loss=own)

    def _row_weight(self) -> Any:
        """Weight of rows in the update by their targets; None where all count alike."""

    def _rate_in_training(self) -> float:
        """Share of the rows that are trained on which is corrupted."""
        return self.corruption_rate_

    def _check_combination(self) -> None:
        if self.selection == "disagreement" and self.n_networks < 2:
            raise ValueError(
                "selection='disagreement' keeps the rows that networks disagree on: n_networks "
                f"must be at least 2, got {self.n_networks}"
            )
        if self.reforward and self.clip == "row":
            raise ValueError(
                "reforward=True cannot be combined with clip='row', whose gradients come from the "
                "forward pass of the scores"
            )

    def _more_callbacks(self) -> list:
        if self.clip != "batch":
            return []
        clipping = GradientNormClipping(gradient_clip_value=self.max_norm)
        return [("gradient_norm_clipping", clipping)]

    def _selector(self, n_rows: int) -> Selector:
        if callable(self.selection):
            return self.selection
        rate = 0.0 if self.selection is None else self._rate_in_training()
        schedule = DropSchedule(rate, warmup=self.warmup, margin=self.margin)
        if self.selection in ("auto", "prior-adjusted"):
            strength = 0.5 if self.selection == "auto" else 1.0
            # a second pass is of the rows that are kept, as many as the rate says
            least = 0.0 if self.reforward else 0.25
            is_open = self.selection == "auto"
            return PriorTrim(schedule, self._losses()[1], strength, is_open, least)
        return Trim(
            schedule,
            rule=_RULES.get(self.selection, keep_lowest),
            score_limit=self.score_limit,
            n_recent=min(LIMIT_ROWS, n_rows),
        )

    def _step(self, n_rows: int) -> RobustStep:
        ranked = score_of(self.selection) if callable(self.selection) else self.selection
        selector = self._selector(n_rows)
        loss, gradient_norm = self._losses()
        by_norm = dict.fromkeys(("auto", "prior-adjusted", "loss-gradient"), gradient_norm)
        score = {**by_norm, "disagreement": predicted_class}.get(ranked)
        settings: dict[str, Any] = {
            "loss": loss,
            "selector": selector,
            "score": score,
            "noted": loss if ranked == "disagreement" else None,
            "by_gradient": ranked == "gradient",
            "exchange": self.n_networks > 1 and ranked not in (None, "disagreement"),
            "memory": self.memory,
            "memory_decay": self.memory_decay,
            "start": self.robust_start,
            "start_loss": partial(huber, delta=_START_DELTA) if self.robust_start > 0 else None,
            "rate": self._rate_in_training(),
            "row_weight": self._row_weight(),
        }
        if self.reforward:
            return ScoredApart(**settings, training=True)
        if ranked == "gradient" or self.clip == "row":
            clip = float(self.max_norm) if self.clip == "row" else None
            return ByRowGradients(**settings, row_clip=clip)
        return SharedPass(**settings)


def predicted_class(output: Tensor, target: Tensor) -> Tensor:
    """What networks agree or disagree on."""
    return output.argmax(dim=-1).to(output.dtype)


def _checked_losses(output: Tensor, target: Tensor, loss: RowFunction) -> Tensor:
    """Losses by a user's function; one number per network and row."""
    losses = loss(output, target)
    if losses.shape != output.shape[:2]:
        raise ValueError(
            f"loss must return one number per network and row, {tuple(output.shape[:2])} of them, "
            f"got shape {tuple(losses.shape)}"
        )
    return losses
