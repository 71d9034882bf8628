"""A trained detector with all that is needed to judge and explain rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from skrobust.cli._console import InputError
from skrobust.cli._training import check_missing
from skrobust.io import ModelFileError
from skrobust.tables import TableEncoder
from skrobust.tables._cells import as_text, quoted
from skrobust.tables._encoder import Column
from skrobust.tables._read import reason

ENSEMBLE = "ensemble"
DETECTORS = {
    ENSEMBLE: "RobustEnsembleDetector",
    "rca": "RCADetector",
    "realnvp": "RobustRealNVPDetector",
}
SCORED_ROWS = 16_384
_SAMPLE = 2_048
_LEAST_SHARE = 0.01
_FACTS = {
    "rows": int,
    "contamination": float,
    "epochs": int | dict,  # of an ensemble by member
    "seed": int,
    "version": str,
}


@dataclass(frozen=True)
class LabelRule:
    """Which of the two values of the label column, as text, marks what."""

    column: str
    normal: str
    abnormal: str

    @classmethod
    def learn(cls, series: pd.Series, abnormal: str | None) -> LabelRule:
        """Take the named value for abnormal, or else the larger number or truth value, rarer text.

        Refuses columns with missing cells, with other than two values, or without the named one.
        """
        name, text = str(series.name), _text(series)
        values = list(text.value_counts().index)
        if len(values) != 2:
            raise InputError(
                f"label column {name!r} needs two values, it has {len(values)} ({quoted(values)})"
            )
        if abnormal is None:
            is_ordered = pd.api.types.is_numeric_dtype(series.dtype)
            abnormal = text[series.argmax()] if is_ordered else values[1]
        if abnormal not in values:
            raise InputError(f"label column {name!r} holds {quoted(values)}, not {abnormal!r}")
        values.remove(abnormal)
        return cls(name, values[0], abnormal)

    def apply(self, series: pd.Series) -> np.ndarray:
        """Labels as 0 and 1; refuses missing cells and a third value."""
        text = _text(series)
        unknown = text[~text.isin([self.normal, self.abnormal])]
        if len(unknown):
            raise InputError(
                f"label column {self.column!r}, row {unknown.index[0] + 1}: {unknown.iloc[0]!r} is "
                f"neither {self.normal!r} nor {self.abnormal!r}"
            )
        return (text == self.abnormal).to_numpy(dtype=int)

    def evaluate(self, y: np.ndarray, scores: np.ndarray) -> str:
        """Say how well scores rank the labelled rows; empty where only one label occurs."""
        if len(np.unique(y)) < 2:
            return ""
        return (
            f"Compared with {self.column} ({self.abnormal!r} is abnormal, {100 * y.mean():.3g} % "
            f"of the rows): ROC AUC {roc_auc_score(y, scores):.3f} (chance 0.5), average precision "
            f"{average_precision_score(y, scores):.3f} (chance {y.mean():.3f})."
        )


@dataclass(frozen=True)
class Model:
    """What ``--save`` writes: a detector with all that judging a table needs."""

    encoder: TableEncoder  # of the training table, without id and label
    detector: Any  # fitted to encoded rows
    typical: np.ndarray  # (n_features,), mean errors over training rows that were not reported
    facts: Mapping[str, Any]  # how it was made, see _FACTS
    id_column: str | None  # carried into the output
    label: LabelRule | None  # used for evaluation

    @property
    def columns(self) -> tuple[Column, ...]:
        """What training knows of each column."""
        return self.encoder.columns_

    def dump(self) -> bytes:
        """Content of the file, which :func:`skrobust.io.load` reads as a pipeline."""
        pipeline = Pipeline([("encoder", self.encoder), ("detector", self.detector)])
        more = {name: getattr(self, name) for name in ("typical", "facts", "id_column")}
        from skrobust.io._encode import dumps

        return dumps(pipeline, {**more, "label": self.label and asdict(self.label)})


def _text(series: pd.Series) -> pd.Series:
    check_missing(series.to_frame(), "leave out the rows without a label")
    return as_text(series)


def epochs_in_words(epochs: int | Mapping[str, int]) -> str:
    """Say how long networks were trained, those of an ensemble by their names."""
    if isinstance(epochs, int):
        return f"{epochs} epochs"
    return ", ".join(f"{name} {count} epochs" for name, count in epochs.items())


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
    """Each column's share (n_rows, n_columns) of what a row's score exceeds normal rows' by.

    A column's error is the sum over its features, minus the same sum for typical rows: some
    columns are hard to reconstruct in every row. Negative differences count as 0.
    """
    excess = model.detector.feature_scores(model.encoder.transform(frame)) - model.typical
    widths = model.encoder.widths
    ends = np.cumsum(widths)
    sums = np.pad(np.cumsum(excess, axis=1), ((0, 0), (1, 0)))
    positive = np.where(widths, (sums[:, ends] - sums[:, ends - widths]).clip(min=0.0), 0.0)
    totals = positive.sum(axis=1, keepdims=True)
    return positive / np.where(totals > 0, totals, 1.0)


def explain(model: Model, frame: pd.DataFrame, n_causes: int = 3) -> list[list[dict[str, Any]]]:
    """Columns that contribute most to each row's score, at most ``n_causes`` of 1 % or more."""
    causes: list[list[dict[str, Any]]] = [[] for _ in range(len(frame))]
    for row, shares in enumerate(column_shares(model, frame)):
        for i in np.argsort(-shares, kind="stable")[:n_causes]:
            if shares[i] > _LEAST_SHARE:
                column = model.columns[i]
                value = column.cell_text(frame[column.name].iloc[[row]])
                cause = {"column": column.name, "value": value, "typical": column.typical_text}
                causes[row].append({**cause, "share": shares[i]})
    return causes


def load_model(path: Path) -> Model:
    """Read a model that ``--save`` wrote; refuses all other files."""
    from skrobust.io._decode import loads

    try:
        pipeline, more = loads(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    try:
        (_, encoder), (_, detector) = pipeline.steps
        label = more["label"] and LabelRule(**more["label"])
        model = Model(encoder, detector, more["typical"], more["facts"], more["id_column"], label)
        _check(model)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"{path} is not a skrobust model of a table: {reason(error)}"
        raise ModelFileError(what) from error
    return model


def _check(model: Model) -> None:
    """Refuse what would fail, or mislead, when rows are scored."""
    detector, typical, n_features = model.detector, model.typical, sum(model.encoder.widths)
    names = [column.name for column in model.columns]
    texts = [model.id_column, *(vars(model.label).values() if model.label else ())]
    fits = [
        type(detector).__name__ in DETECTORS.values() and isinstance(model.encoder, TableEncoder),
        detector.n_features_in_ == n_features > 0 and len(set(names)) == len(names),
        typical.shape == (n_features,) and bool(np.isfinite(typical).all()),
        len(detector.decision_scores_) > 1 and bool(np.isfinite(detector.decision_scores_).all()),
        np.isfinite(detector.threshold_),
        all(isinstance(model.facts[name], kind) for name, kind in _FACTS.items()),
        all(isinstance(text, str | None) for text in texts),
    ]
    if not all(fits):
        raise ValueError("its parts do not fit together")
