"""What the learners of chapter 4 share: every choice of rows, losses and clipping."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

from skorch.callbacks import GradientNormClipping

from skrobust._validation import Integral, Interval, Real, StrOptions
from skrobust.selection import DropSchedule, keep_lowest, keep_single_lowest
from skrobust.supervised._base import RobustLearner, RowFunction, of_rows
from skrobust.training import RobustStep

__all__ = ["SelectingLearner"]


class SelectingLearner(RobustLearner):
    """Base of the classifier and the regressor of chapter 4.

    A subclass names its losses in :meth:`_row_functions`.
    """

    selection: str | None
    reforward: bool
    clip: str | None
    max_norm: float
    memory_decay: float

    _parameter_constraints: dict = {
        **RobustLearner._parameter_constraints,
        "selection": [None, StrOptions({"loss-gradient", "gradient", "loss", "min"})],
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

    def _step_settings(self, n_outputs: int) -> dict[str, Any]:
        """Settings of the step that only this learner has."""
        return {}

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

    def _step(self, n_outputs: int) -> RobustStep:
        loss, gradient_norm = (
            partial(of_rows, function=function, n_outputs=n_outputs)
            for function in self._row_functions()
        )
        step = RobustStep(
            row_loss=loss,
            row_score=gradient_norm if self.selection == "loss-gradient" else None,
            by_gradient=self.selection == "gradient",
            row_clip=float(self.max_norm) if self.clip == "row" else None,
            rule=keep_single_lowest if self.selection == "min" else keep_lowest,
            schedule=DropSchedule(
                rate=0.0 if self.selection is None else self.corruption_rate_,
                warmup=self.warmup,
                margin=self.margin,
            ),
            exchange=self.n_networks > 1 and self.selection is not None,
            score_apart="train" if self.reforward else None,
            memory=self.memory,
            memory_decay=self.memory_decay,
        )
        return replace(step, **self._step_settings(n_outputs))
