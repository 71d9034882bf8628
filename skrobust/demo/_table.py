"""The runs as a table and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skrobust.demo._experiment import PLAIN, RCA

__all__ = ["Cell", "format_text", "table_cells", "verdict"]


class Cell(str):
    """Text of a table cell, and whether it is the best of its column."""

    is_best: bool = False


def table_cells(frame: pd.DataFrame) -> list[list[Cell]]:
    """Build the table: a header, then one row per method.

    Parameters
    ----------
    frame : DataFrame
        From :func:`~skrobust.demo._experiment.to_frame`.

    Returns
    -------
    list of lists of Cell
        Mean AUC ± standard deviation per problem, then median seconds of
        processor time for fit and score. Best are all whose mean
        equals the highest after rounding to three decimals.
    """
    methods, problems = frame["method"].unique(), frame["problem"].unique()
    rows = [[Cell(method)] for method in methods]
    for problem in problems:
        aucs = _aucs(frame, problem)
        best = max(round(values.mean(), 3) for values in aucs.values())
        for row, method in zip(rows, methods, strict=True):
            row.append(_auc_cell(aucs[method], best))
    for row, method in zip(rows, methods, strict=True):
        seconds = frame.loc[frame["method"] == method, "seconds"].median()
        row.append(Cell(f"{seconds:.1f}"))
    return [[Cell(text) for text in ("Method", *problems, "CPU seconds")], *rows]


def format_text(frame: pd.DataFrame) -> str:
    """Lay the table out for a terminal.

    Parameters
    ----------
    frame : DataFrame
        From :func:`~skrobust.demo._experiment.to_frame`.

    Returns
    -------
    str
        Lines; the best of each column carries a star.
    """
    rows = [[f"{cell}{' *' if cell.is_best else '  '}" for cell in r] for r in table_cells(frame)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        row[0].ljust(widths[0])
        + "".join(text.rjust(width + 2) for text, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    note = "Held-out AUC, mean ± sd over the seeds; * best of the column."
    return "\n".join([note, "", lines[0], rule, *lines[1:]])


def verdict(frame: pd.DataFrame) -> list[str]:
    """Say in words who wins where.

    Parameters
    ----------
    frame : DataFrame
        From :func:`~skrobust.demo._experiment.to_frame`.

    Returns
    -------
    list of str
        Sentences.
    """
    winners = []
    for problem in frame["problem"].unique():
        means = {method: values.mean() for method, values in _aucs(frame, problem).items()}
        best = max(means, key=lambda method: means[method])
        winners.append(f"{best} on “{problem}” ({means[best]:.3f})")
    wide = frame.pivot(index=["problem", "seed"], columns="method", values="auc")
    n_wins = int(np.sum(wide[RCA] > wide[PLAIN]))
    return [
        f"Highest mean AUC: {', '.join(winners)}.",
        f"RCA beats its plain autoencoder in {n_wins} of {len(wide)} pairs of runs.",
    ]


def _aucs(frame: pd.DataFrame, problem: str) -> dict[str, np.ndarray]:
    part = frame[frame["problem"] == problem]
    return {method: group.to_numpy() for method, group in part.groupby("method", sort=False)["auc"]}


def _auc_cell(values: np.ndarray, best: float) -> Cell:
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    cell = Cell(f"{values.mean():.3f}{spread}")
    cell.is_best = round(values.mean(), 3) == best
    return cell
