"""The report on a table: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import numpy as np
import pandas as pd

from skrobust._report import picture, versions
from skrobust.cli._label_column import Evaluation
from skrobust.cli._model import Cause, Judgement, Model, column_shares, explain
from skrobust.cli._page import PAGE_STYLE, fact_list, note_list, paragraph, row_names, short
from skrobust.cli._pictures import draw_columns, draw_scores

__all__ = ["N_SHOWN", "Findings", "build_report", "describe_evaluation", "find"]

N_SHOWN = 20
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
    """Explain the most abnormal rows of a table.

    Parameters
    ----------
    name : str
        Of the table.
    model : Model
        Judged the rows.
    judgement : Judgement
        Of all rows.
    frame : DataFrame
        The rows.
    ids : Series or None
        Shown beside the row's number.
    y : array of shape (n,), int, or None
        1 for rows labelled abnormal.
    evaluation : Evaluation or None
        Scores against ``y``.

    Returns
    -------
    Findings
    """
    top = judgement.order[:N_SHOWN]
    reported = judgement.order[: max(1, min(int(judgement.labels.sum()), _N_SHARES))]
    shares = column_shares(model, frame.iloc[reported]).mean(axis=0)
    names = row_names(top, ids)
    causes = explain(model, frame.iloc[top])
    return Findings(name, model, judgement, causes, shares, names, y, evaluation)


def build_report(findings: Findings, facts: Sequence[tuple[str, str]], notes: Sequence[str]) -> str:
    """Write the page.

    Parameters
    ----------
    findings : Findings
        What to say.
    facts : sequence of (str, str)
        What was done: name and value.
    notes : sequence of str
        What the user should know about the table.

    Returns
    -------
    str
        HTML with its style and pictures inside.
    """
    model, judgement = findings.model, findings.judgement
    scores = draw_scores(judgement.scores, model.threshold, findings.y)
    columns = draw_columns([column.name for column in model.columns], findings.shares)
    return _PAGE.substitute(
        style=PAGE_STYLE,
        name=escape(findings.name),
        summary=escape(_summary(findings)),
        evaluation=paragraph(describe_evaluation(findings.model, findings.evaluation)),
        scores=picture(scores, "Scores of all rows", "Histogram of the anomaly scores"),
        columns=picture(columns, "Columns behind the reported rows", "Bars: share of each column"),
        head=_head(findings),
        rows="\n".join(_row(findings, place) for place in range(len(findings.names))),
        n_shown=len(findings.names),
        rate=f"{100 * model.facts['contamination']:.3g} %",
        facts=fact_list(facts),
        notes=note_list(notes),
        versions=versions(),
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


def _summary(findings: Findings) -> str:
    judgement = findings.judgement
    n, n_reported = len(judgement.scores), int(judgement.labels.sum())
    text = f"{n_reported:,} of {n:,} rows score above the threshold {findings.model.threshold:.4g}."
    if findings.y is not None:
        hits = int(findings.y[judgement.labels == 1].sum())
        text += f" {hits:,} of them are labelled abnormal, of {int(findings.y.sum()):,} in all."
    return text


def _head(findings: Findings) -> str:
    id_column = findings.model.id_column
    names = ["row" if id_column is None else f"row ({id_column})", "score", "probability"]
    names += ["label"] * (findings.y is not None)
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return cells + '<th scope="col" class="why">made abnormal by: value (typical value), share</th>'


def _row(findings: Findings, place: int) -> str:
    judgement, row = findings.judgement, findings.judgement.order[place]
    cells = [f"{judgement.scores[row]:.4g}", f"{judgement.probability[row]:.3f}"]
    if findings.y is not None:
        cells.append("abnormal" if findings.y[row] else "normal")
    named = zip(("score", "probability", "label"), cells, strict=False)
    data = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in named)
    why = "<br>".join(_cause(cause) for cause in findings.causes[place]) or "no single column"
    name = escape(findings.names[place])
    return f'<tr><th scope="row">{name}</th>{data}<td class="why">{why}</td></tr>'


def _cause(cause: Cause) -> str:
    value, typical = (escape(short(text)) for text in (cause.value, cause.typical))
    return (
        f"<b>{escape(short(cause.column))}</b> {value} "
        f'<span class="typical">({typical})</span> {100 * cause.share:.0f} %'
    )


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>skrobust: abnormal rows of $name</title>
<style>
$style
</style>
</head>
<body>
<h1>Abnormal rows of $name</h1>
<p>$summary</p>
$evaluation
$notes
<h2>Scores</h2>
<p>To the right of the dashed line: the rows that are reported.</p>
$scores

<h2>The $n_shown most abnormal rows</h2>
<p>Highest score first. Rows are counted from 1, without the header. For each row the columns that
are reconstructed worse than they are in normal rows: the cell, the training rows' median or most
frequent value, and the column's share of the row's excess error.</p>
<div class="scroll"><table>
<thead><tr>$head</tr></thead>
<tbody>
$rows
</tbody>
</table></div>
$columns

<h2>What a score means, and what not</h2>
<ul>
<li>Autoencoders learned to reconstruct the training rows, leaving out in every step the rows that
they reconstructed worst. The score is a row's reconstruction error after that: how little it
resembles what most rows have in common. Only the order and the ratios of scores mean
something.</li>
<li>The number of reported rows is not a finding. It follows from the share of abnormal rows that
was assumed or estimated: the threshold lies so that $rate of the training rows are above it.</li>
<li>The probability is the score's place between the lowest and the highest training score, nothing
more: it has not been compared with any outcome.</li>
<li>Abnormal means rare or unlike the rest, not wrong. Anomalies that are many and alike look like
a pattern, and are missed.</li>
<li>The columns are those with the largest error. They say where a row departs from its
reconstruction, not why.</li>
</ul>

<h2>What was done</h2>
$facts
<footer><p>$versions</p></footer>
</body>
</html>
""")
