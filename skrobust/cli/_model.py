"""A trained detector with all that is needed to judge rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from skrobust.cli._columns import Column, encode
from skrobust.cli._detectors import DETECTORS, SCORED_ROWS
from skrobust.cli._labels import LabelRule

__all__ = ["Judgement", "Model", "judge", "score_table", "typical_errors"]

_SAMPLE = 2_048


@dataclass(frozen=True)
class Model:
    """What ``--save`` writes.

    Attributes
    ----------
    kind : str
        Key of ``DETECTORS``.
    detector : RobustDetector
        Fitted.
    columns : tuple of Column
        The training table's, in its order, without id and label.
    typical : array of shape (n_features,)
        Mean error of each feature over training rows that were not reported.
    training_scores : array of shape (n_rows,)
        Sorted.
    threshold : float
        Scores above it are reported.
    facts : mapping
        ``rows``, ``contamination``, ``epochs``, ``seed``, ``version``: how it was made.
    id_column : str or None
        Carried into the output.
    label : LabelRule or None
        Used for evaluation.
    """

    kind: str
    detector: Any
    columns: tuple[Column, ...]
    typical: np.ndarray
    training_scores: np.ndarray
    threshold: float
    facts: Mapping[str, Any]
    id_column: str | None = None
    label: LabelRule | None = None

    def feature_scores(self, X: np.ndarray) -> np.ndarray:
        """Share of each feature in the scores of encoded rows, (n, n_features)."""
        return DETECTORS[self.kind].feature_scores(self.detector, X)


@dataclass(frozen=True)
class Judgement:
    """What is said of each row, in the order of the file.

    Attributes
    ----------
    scores : array of shape (n,)
        High means abnormal.
    probability : array of shape (n,)
        PyOD's linear one: the score within the range of the training scores, 0 to 1.
    labels : array of shape (n,), int
        1 for the reported rows.
    rank : array of shape (n,), int
        1 for the highest score; ties by row.
    """

    scores: np.ndarray
    probability: np.ndarray
    labels: np.ndarray
    rank: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Places of the rows, most abnormal first."""
        return np.argsort(self.rank)


def judge(scores: np.ndarray, training_scores: np.ndarray, threshold: float) -> Judgement:
    """Turn scores into probabilities, labels and ranks."""
    low, high = training_scores.min(), training_scores.max()
    probability = np.clip((scores - low) / ((high - low) or 1.0), 0.0, 1.0)
    rank = np.empty(len(scores), dtype=int)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return Judgement(scores, probability, (scores > threshold).astype(int), rank)


def score_table(model: Model, frame: pd.DataFrame) -> np.ndarray:
    """Scores of the rows of a table, encoded a block at a time."""
    parts = []
    with tqdm(total=len(frame), desc="scoring", unit="row") as bar:
        for block in _blocks(frame):
            parts.append(model.detector.decision_function(encode(model.columns, block)))
            bar.update(len(block))
    return np.concatenate(parts)


def typical_errors(kind: str, detector: Any, X: np.ndarray) -> np.ndarray:
    """Mean error of each feature over an even sample of the rows that are not reported."""
    normal = np.flatnonzero(detector.labels_ == 0)
    sample = normal[np.linspace(0, len(normal) - 1, min(len(normal), _SAMPLE)).astype(int)]
    return DETECTORS[kind].feature_scores(detector, X[sample]).mean(axis=0)


def _blocks(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), SCORED_ROWS):
        yield frame.iloc[start : start + SCORED_ROWS]
