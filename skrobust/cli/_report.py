"""The report on a scored table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skrobust._html import render
from skrobust.cli._label_column import Evaluation
from skrobust.cli._model import Cause, Judgement, Model, column_shares, explain
from skrobust.cli._pictures import draw_columns, draw_scores

__all__ = ["Findings", "build_report", "describe_evaluation", "find", "row_names"]

_N_SHOWN = 20
_N_SHARES = 1_000


@dataclass(frozen=True)
class Findings:
    """What the report says.

    Attributes
    ----------
    name : str
        Of the table.
    model : Model
        Judged the rows.
    judgement : Judgement
        Of all rows.
    causes : list of list of Cause
        Of the most abnormal rows, at most 20, most abnormal first.
    shares : array of shape (n_columns,)
        Mean share of each column over the reported rows, at most the 1,000 most abnormal.
    names : list of str
        Of the rows in ``causes``: their number, and their id where there is one.
    y : array of shape (n,), int, or None
        1 for rows labelled abnormal.
    evaluation : Evaluation or None
        Scores against ``y``.
    """

    name: str
    model: Model
    judgement: Judgement
    causes: list[list[Cause]]
    shares: np.ndarray
    names: list[str]
    y: np.ndarray | None
    evaluation: Evaluation | None


def find(
    name: str,
    model: Model,
    judgement: Judgement,
    frame: pd.DataFrame,
    ids: pd.Series | None,
    y: np.ndarray | None,
    evaluation: Evaluation | None,
) -> Findings:
    """Explain the most abnormal rows of a table; ``ids`` stand beside the rows' numbers."""
    top = judgement.order[:_N_SHOWN]
    reported = judgement.order[: max(1, min(int(judgement.labels.sum()), _N_SHARES))]
    shares = column_shares(model, frame.iloc[reported]).mean(axis=0)
    causes = explain(model, frame.iloc[top])
    return Findings(name, model, judgement, causes, shares, row_names(top, ids), y, evaluation)


def build_report(findings: Findings, facts: Sequence[tuple[str, str]], notes: Sequence[str]) -> str:
    """Write the page; facts are what was done, name and value, notes what to know of the table."""
    model, judgement = findings.model, findings.judgement
    return render(
        "detect.html",
        heading="Abnormal rows",
        name=findings.name,
        summary=_summary(findings),
        evaluation=describe_evaluation(model, findings.evaluation),
        notes=notes,
        scores=draw_scores(judgement.scores, model.threshold, findings.y),
        columns=draw_columns([column.name for column in model.columns], findings.shares),
        id_column=model.id_column,
        measures=["score", "probability", *["label"] * (findings.y is not None)],
        rows=[_row(findings, place) for place in range(len(findings.names))],
        rate=model.facts["contamination"],
        facts=facts,
    )


def describe_evaluation(model: Model, evaluation: Evaluation | None) -> str:
    """One sentence on how well the scores rank the labels; empty without labels."""
    if evaluation is None or model.label is None:
        return ""
    return (
        f"Compared with {model.label.column} ({model.label.abnormal!r} is abnormal, "
        f"{100 * evaluation.share:.3g} % of the rows): ROC AUC {evaluation.auc:.3f} (chance 0.5), "
        f"average precision {evaluation.precision:.3f} (chance {evaluation.share:.3f})."
    )


def row_names(places: np.ndarray, ids: pd.Series | None) -> list[str]:
    """Numbers of rows, counted from 1, and their ids where there are some."""
    return [f"{row + 1}" if ids is None else f"{row + 1} ({ids.iloc[row]})" for row in places]


def _summary(findings: Findings) -> str:
    judgement = findings.judgement
    n, n_reported = len(judgement.scores), int(judgement.labels.sum())
    text = f"{n_reported:,} of {n:,} rows score above the threshold {findings.model.threshold:.4g}."
    if findings.y is not None:
        hits = int(findings.y[judgement.labels == 1].sum())
        text += f" {hits:,} of them are labelled abnormal, of {int(findings.y.sum()):,} in all."
    return text


def _row(findings: Findings, place: int) -> dict:
    judgement, row = findings.judgement, findings.judgement.order[place]
    return {
        "name": findings.names[place],
        "score": f"{judgement.scores[row]:.4g}",
        "probability": f"{judgement.probability[row]:.3f}",
        "label": "" if findings.y is None else "abnormal" if findings.y[row] else "normal",
        "causes": findings.causes[place],
    }
