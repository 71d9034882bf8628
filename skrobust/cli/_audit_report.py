"""The report on an audited table: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import numpy as np
import pandas as pd

from skrobust import LabelAudit
from skrobust._report import picture, versions
from skrobust.cli._page import PAGE_STYLE, fact_list, note_list, row_names, short
from skrobust.cli._pictures import draw_targets
from skrobust.cli._target_column import Target
from skrobust.tables._encoder import Column

__all__ = ["AuditFindings", "build_audit_report", "describe_top", "summarise"]

N_SHOWN = 20
N_CELLS = 30
N_CLASSES = 15


@dataclass(frozen=True)
class AuditFindings:
    """What the report says.

    Attributes
    ----------
    name : str
        Of the table.
    target : Target
        The column that was audited.
    audit : LabelAudit
        Of all rows.
    suspect : array of shape (n,), bool
        The share of the rows that is marked.
    columns : sequence of Column
        Of ``frame``.
    frame : DataFrame
        The rows, without target and id.
    ids : Series or None
        Shown beside the row's number.
    """

    name: str
    target: Target
    audit: LabelAudit
    suspect: np.ndarray
    columns: Sequence[Column]
    frame: pd.DataFrame
    ids: pd.Series | None

    @property
    def measure(self) -> str:
        """What is said of a given label or target besides the suggestion."""
        return "probability" if self.target.is_classes else "residual"

    @property
    def disagree(self) -> np.ndarray:
        """Whether the models take each row for another class than the given one, (n,), bool."""
        return self.audit.suggestions != self.target.y


def build_audit_report(
    findings: AuditFindings, facts: Sequence[tuple[str, str]], notes: Sequence[str]
) -> str:
    """Write the page.

    Parameters
    ----------
    findings : AuditFindings
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
    is_classes = findings.target.is_classes
    top = findings.audit.order[:N_SHOWN]
    names = row_names(top, findings.ids)
    return _PAGE.substitute(
        style=PAGE_STYLE,
        name=escape(findings.name),
        column=escape(findings.target.column),
        summary=escape(summarise(findings)),
        notes=note_list(notes),
        n_shown=len(top),
        last=findings.measure,
        row="row" if findings.ids is None else f"row ({escape(str(findings.ids.name))})",
        rows="\n".join(_row(findings, *pair) for pair in zip(top, names, strict=True)),
        pattern=_confusion(findings) if is_classes else _pattern_of_targets(findings),
        meaning=_ABOUT_CLASSES if is_classes else _ABOUT_TARGETS,
        facts=fact_list(facts),
        versions=versions(),
    )


def summarise(findings: AuditFindings) -> str:
    """How many rows are marked, and what the models say of them."""
    suspect, n = findings.suspect, len(findings.suspect)
    text = f"{suspect.sum():,} of {n:,} rows are marked as suspect."
    if not findings.target.is_classes:
        return f"{text} Half of all targets are within {_half(findings):.4g} of their prediction."
    disagree = findings.disagree
    return (
        f"{text} The models suggest another {findings.target.column} for "
        f"{(disagree & suspect).sum():,} of them, and for {disagree.sum():,} of all rows."
    )


def describe_top(findings: AuditFindings, n_shown: int = 5) -> list[str]:
    """Lines on the least trusted rows."""
    top = findings.audit.order[:n_shown]
    lines = ["least trusted:"]
    for row, name in zip(top, row_names(top, findings.ids), strict=True):
        given, suggested, last = _verdict(findings, row)
        what = f"given {given}, suggested {suggested} ({findings.measure} {last})"
        lines.append(f"  row {name}: {what}")
    return lines


def _half(findings: AuditFindings) -> float:
    return float(np.median(findings.audit.scores))


def _verdict(findings: AuditFindings, row: int) -> tuple[str, str, str]:
    """Given and suggested label or target, and probability or residual, as text."""
    target, audit = findings.target, findings.audit
    given, suggested, last = target.y[row], audit.suggestions[row], audit.given[row]
    if target.is_classes:
        return target.classes[given], target.classes[suggested], _share(last)
    return f"{given:.6g}", f"{suggested:.4g}", f"{last:+.4g}"


def _share(probability: float) -> str:
    return f"{probability:.3f}" if probability >= 0.001 else "< 0.001"


def _row(findings: AuditFindings, row: int, name: str) -> str:
    values = zip(("given", "suggested", findings.measure), _verdict(findings, row), strict=True)
    cells = "".join(f'<td data-name="{k}">{escape(short(value))}</td>' for k, value in values)
    cells += f'<td class="why">{_cells(findings, row)}</td>'
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _cells(findings: AuditFindings, row: int) -> str:
    """The row's cells, those of the first columns of many."""
    parts = []
    for column in findings.columns[:N_CELLS]:
        text = column.cell_text(findings.frame[column.name].iloc[[row]])
        name = f'<span class="typical">{escape(short(column.name))}</span>'
        parts.append(f"{name} {escape(short(text))}")
    more = len(findings.columns) - N_CELLS
    return " · ".join(parts) + (f" · and {more} more columns" if more > 0 else "")


def _confusion(findings: AuditFindings) -> str:
    """Table of given by suggested classes among the marked rows."""
    target, suspect = findings.target, findings.suspect
    given, suggested = target.y[suspect], findings.audit.suggestions[suspect]
    if not len(given):
        return "<p>No row is marked.</p>"
    n_classes = len(target.classes)
    counts = np.bincount(given * n_classes + suggested, minlength=n_classes**2)
    counts = counts.reshape(n_classes, n_classes)
    busiest = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[:N_CLASSES]
    shown = np.sort(busiest)
    heads = [escape(short(target.classes[k], 20)) for k in shown]
    lines = [
        f'<tr><th scope="row">{head}</th>{"".join(_count(counts, i, j) for j in shown)}</tr>'
        for i, head in zip(shown, heads, strict=True)
    ]
    left_out = len(given) - counts[np.ix_(shown, shown)].sum()
    more = f"<p>Not in the table: {left_out:,} rows of other classes.</p>" if left_out else ""
    return (
        "<p>Marked rows by given label (lines) and suggested label (columns). On the diagonal: "
        "rows whose label the models would give too, but not for sure, or that are marked only "
        "because the rate asks for so many.</p>\n"
        f'<div class="scroll"><table class="confusion"><thead><tr><th scope="col">given \\ '
        f"suggested</th>{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr></thead>\n"
        f"<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>\n{more}"
    )


def _count(counts: np.ndarray, i: int, j: int) -> str:
    kind = ' class="typical"' if i == j else ""
    return f"<td{kind}>{counts[i, j]:,}</td>" if counts[i, j] else "<td></td>"


def _pattern_of_targets(findings: AuditFindings) -> str:
    """Given against predicted targets, and on which side the marked ones are."""
    target, audit, suspect = findings.target, findings.audit, findings.suspect
    above = int((audit.given[suspect] > 0).sum())
    png = draw_targets(target.y, audit.predictions, suspect, target.column)
    return (
        f"<p>Of the marked targets {above:,} are above their prediction and "
        f"{suspect.sum() - above:,} below.</p>\n"
        + picture(png, "Given and predicted", "Points: given against predicted targets")
    )


_ABOUT_CLASSES = """<li>Probability is that of the given label, by a model that was trained without
the row and drops the rows that do not fit; rows are ordered by it. It has not been compared with
any outcome: take it for an order.</li>
<li>A low probability may mean a wrong label, but also a rare or difficult row, or one whose label
follows from something that is not in the table. Look before you change a label.</li>
<li>Labels that are wrong in the same way in most rows of a kind look right to every model.</li>"""

_ABOUT_TARGETS = """<li>The residual is the given target minus the prediction of a model that was
trained without the row and drops the rows that do not fit, in the target's units; rows are ordered
by its size.</li>
<li>A large residual may be a wrong target, but also a row that is difficult to predict: where the
target varies more, residuals are larger.</li>
<li>Targets that are wrong in the same way in most rows of a kind look right to every model.</li>"""

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>skrobust: least trusted $column of $name</title>
<style>
$style
table.confusion th { font-weight: normal; text-align: right; }
@media screen and (max-width: 40rem) {
  table.confusion { display: table; } table.confusion thead { display: table-header-group; }
  table.confusion tbody { display: table-row-group; } table.confusion tr { display: table-row; }
  table.confusion th, table.confusion td { padding: .35rem; }
  table.confusion th::before { content: none; } }
</style>
</head>
<body>
<h1>Least trusted $column of $name</h1>
<p>$summary</p>
$notes
<h2>The $n_shown least trusted rows</h2>
<p>Least trusted first. Rows are counted from 1, without the header. What was given, what models
that had not seen the row suggest, and the row's cells; (rare) marks text that is in fewer than 1 %
of the rows.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">$row</th><th scope="col">given</th><th scope="col">suggested</th>
<th scope="col">$last</th><th scope="col" class="why">cells</th></tr></thead>
<tbody>
$rows
</tbody>
</table></div>

<h2>The pattern</h2>
$pattern

<h2>What this means, and what not</h2>
<ul>
$meaning
<li>The number of marked rows is not a finding: it is the share of wrong values that was assumed or
estimated. A higher one also lets training drop more.</li>
</ul>

<h2>What was done</h2>
$facts
<footer><p>$versions</p></footer>
</body>
</html>
""")
