"""A trained detector with all that is needed to judge and explain rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from tqdm import tqdm

import skrobust
from skrobust.cli._console import InputError
from skrobust.cli._label_column import LabelRule
from skrobust.io import ModelFileError
from skrobust.tables import TableEncoder
from skrobust.tables._encoder import Column
from skrobust.tables._read import reason

__all__ = [
    "DETECTORS",
    "Cause",
    "Judgement",
    "Model",
    "column_shares",
    "dump_model",
    "explain",
    "judge",
    "load_model",
    "score_in_blocks",
    "typical_errors",
]

DETECTORS = {"rca": "RCADetector", "realnvp": "RobustRealNVPDetector"}
SCORED_ROWS = 16_384
_SAMPLE = 2_048
_LEAST_SHARE = 0.01
_FACTS = {"rows": int, "contamination": float, "epochs": int, "seed": int, "version": str}


@dataclass(frozen=True)
class Model:
    """What ``--save`` writes.

    Attributes
    ----------
    encoder : TableEncoder
        Of the training table, without id and label.
    detector : RobustDetector
        Fitted to encoded rows.
    typical : array of shape (n_features,)
        Mean error of each feature over training rows that were not reported.
    facts : mapping
        ``rows``, ``contamination``, ``epochs``, ``seed``, ``version``: how it was made.
    id_column : str or None
        Carried into the output.
    label : LabelRule or None
        Used for evaluation.
    """

    encoder: TableEncoder
    detector: Any
    typical: np.ndarray
    facts: Mapping[str, Any]
    id_column: str | None = None
    label: LabelRule | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """What training knows of each column."""
        return self.encoder.columns_

    @property
    def threshold(self) -> float:
        """Scores above it are reported."""
        return self.detector.threshold_


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


@dataclass(frozen=True)
class Cause:
    """One column's part in a row's score.

    Attributes
    ----------
    column : str
        Name.
    value, typical : str
        The cell, and the median or the most frequent level of the training rows.
    share : float
        Of what the row's error exceeds that of normal rows by.
    """

    column: str
    value: str
    typical: str
    share: float


def judge(scores: np.ndarray, model: Model) -> Judgement:
    """Turn scores into probabilities, labels and ranks."""
    low, high = model.detector.decision_scores_.min(), model.detector.decision_scores_.max()
    probability = np.clip((scores - low) / ((high - low) or 1.0), 0.0, 1.0)
    rank = np.empty(len(scores), dtype=int)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return Judgement(scores, probability, (scores > model.threshold).astype(int), rank)


def score_in_blocks(score: Callable[[Any], np.ndarray], rows: Any) -> np.ndarray:
    """Score many rows, of an array or a table, with a bar that shows progress."""
    starts = range(0, len(rows), SCORED_ROWS)
    parts = []
    with tqdm(total=len(rows), desc="scoring", unit="row", disable=len(starts) < 2) as bar:
        for start in starts:
            parts.append(score(rows[start : start + SCORED_ROWS]))
            bar.update(len(parts[-1]))
    return np.concatenate(parts)


def typical_errors(detector: Any, X: np.ndarray) -> np.ndarray:
    """Mean error of each feature over an even sample of the rows that are not reported."""
    normal = np.flatnonzero(detector.labels_ == 0)
    sample = normal[np.linspace(0, len(normal) - 1, min(len(normal), _SAMPLE)).astype(int)]
    return detector.feature_scores(X[sample]).mean(axis=0)


def column_shares(model: Model, frame: pd.DataFrame) -> np.ndarray:
    """Each column's share of what the rows' scores exceed those of normal rows by.

    A column's error is the sum over its features, minus the same sum for typical rows: some
    columns are hard to reconstruct in every row. Negative differences count as 0.

    Returns
    -------
    array of shape (n_rows, n_columns)
        Rows sum to 1, or are 0 where no column stands out.
    """
    excess = model.detector.feature_scores(model.encoder.transform(frame)) - model.typical
    widths = model.encoder.widths
    ends = np.cumsum(widths)
    sums = np.pad(np.cumsum(excess, axis=1), ((0, 0), (1, 0)))
    positive = np.where(widths, (sums[:, ends] - sums[:, ends - widths]).clip(min=0.0), 0.0)
    totals = positive.sum(axis=1, keepdims=True)
    return positive / np.where(totals > 0, totals, 1.0)


def explain(model: Model, frame: pd.DataFrame, n_causes: int = 3) -> list[list[Cause]]:
    """Columns that contribute most to each row's score, at most ``n_causes`` of 1 % or more."""
    shares = column_shares(model, frame)
    tops = np.argsort(-shares, axis=1, kind="stable")[:, :n_causes]
    return [
        [_cause(model, frame, row, i, shares[row, i]) for i in top if shares[row, i] > _LEAST_SHARE]
        for row, top in enumerate(tops)
    ]


def _cause(model: Model, frame: pd.DataFrame, row: int, place: int, share: float) -> Cause:
    column = model.columns[place]
    value = column.cell_text(frame[column.name].iloc[[row]])
    return Cause(column.name, value, column.typical_text, float(share))


def dump_model(model: Model) -> bytes:
    """Content of the file, which :func:`skrobust.io.load` reads as a pipeline."""
    from skrobust.io._encode import dumps

    pipeline = Pipeline([("encoder", model.encoder), ("detector", model.detector)])
    label = model.label and asdict(model.label)
    more = {"typical": model.typical, "facts": dict(model.facts)}
    return dumps(pipeline, {**more, "id_column": model.id_column, "label": label})


def load_model(path: Path) -> Model:
    """Read a model that ``--save`` wrote.

    Raises
    ------
    InputError, ModelFileError
        If the file cannot be read, or is no model of a table.
    """
    from skrobust.io._decode import loads

    try:
        pipeline, more = loads(path)
        (_, encoder), (_, detector) = pipeline.steps
        label = more["label"] and LabelRule(**more["label"])
        model = Model(encoder, detector, more["typical"], more["facts"], more["id_column"], label)
        _check(model)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    except ModelFileError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"{path} is not a skrobust model of a table: {reason(error)}"
        raise ModelFileError(message) from error
    return model


def _check(model: Model) -> None:
    """Refuse what would fail, or mislead, when rows are scored."""
    detector, typical, n_features = model.detector, model.typical, sum(model.encoder.widths)
    names = [column.name for column in model.columns]
    kinds = tuple(getattr(skrobust, name) for name in DETECTORS.values())
    texts = [model.id_column, *(vars(model.label).values() if model.label else ())]
    fits = [
        isinstance(detector, kinds) and isinstance(model.encoder, TableEncoder),
        detector.n_features_in_ == n_features > 0 and len(set(names)) == len(names),
        typical.shape == (n_features,) and bool(np.isfinite(typical).all()),
        len(detector.decision_scores_) > 1 and bool(np.isfinite(detector.decision_scores_).all()),
        np.isfinite(detector.threshold_),
        all(isinstance(model.facts[name], kind) for name, kind in _FACTS.items()),
        all(isinstance(text, str | None) for text in texts),
    ]
    if not all(fits):
        raise ValueError("its parts do not fit together")
