"""A section's runs as a table and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from skrobust.demo._section import Column, Section

__all__ = ["Cell", "Headline", "format_text", "headline", "plain_number", "table_cells", "verdict"]


class Cell(str):
    """Text of a table cell, and whether it is the best of its column."""

    is_best: bool = False


class Headline(NamedTuple):
    """Numbers of a section's line in the contents, means over problems and seeds.

    Parameters
    ----------
    robust, plain : float
        The main measure of the method and of the same network without it.
    bad : float
        Share of bad rows among the training rows.
    right : float
        Share of bad rows among those that the method distrusts.
    """

    robust: float
    plain: float
    bad: float
    right: float


def table_cells(section: Section, frame: pd.DataFrame) -> list[list[Cell]]:
    """Build the table: a header, then one row per method.

    Parameters
    ----------
    section : Section
        Whose columns and methods.
    frame : DataFrame
        From :func:`~skrobust.demo._section.to_frame`.

    Returns
    -------
    list of lists of Cell
        Means ± standard deviations over the seeds. Best are all whose mean equals the best one as
        it is printed.
    """
    rows = [[Cell(method)] for method in section.methods]
    for column in section.columns:
        for row, cell in zip(rows, _cells(section, frame, column), strict=True):
            row.append(cell)
    return [[Cell(text) for text in ("Method", *(c.title for c in section.columns))], *rows]


def format_text(section: Section, frame: pd.DataFrame) -> str:
    """Lay the table out for a terminal.

    Parameters
    ----------
    section : Section
        Whose columns and methods.
    frame : DataFrame
        From :func:`~skrobust.demo._section.to_frame`.

    Returns
    -------
    str
        Lines; the best of each column carries a star. Headers stand in two lines.
    """
    header, *body = table_cells(section, frame)
    rows = [
        [text.partition("\n")[0].strip() + "  " for text in header],
        [text.partition("\n")[2].strip() + "  " for text in header],
        *([f"{cell}{' *' if cell.is_best else '  '}" for cell in row] for row in body),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        row[0].ljust(widths[0])
        + "".join(text.rjust(width + 1) for text, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    rule = "-" * max(len(line.rstrip()) for line in lines)
    return "\n".join(line.rstrip() for line in (*lines[:2], rule, *lines[2:]))


def headline(section: Section, frame: pd.DataFrame) -> Headline:
    """Compute the section's line in the contents.

    Parameters
    ----------
    section : Section
        Whose methods and main measure.
    frame : DataFrame
        From :func:`~skrobust.demo._section.to_frame`.
    """
    return Headline(
        robust=_values(frame, section.robust, section.main).mean(),
        plain=_values(frame, section.plain, section.main).mean(),
        bad=_values(frame, section.robust, "bad").mean(),
        right=_values(frame, section.robust, "right").mean(),
    )


def verdict(section: Section, frame: pd.DataFrame) -> list[str]:
    """Say in words who wins where, how often, and whether the right rows are distrusted.

    Parameters
    ----------
    section : Section
        Whose methods and main measure.
    frame : DataFrame
        From :func:`~skrobust.demo._section.to_frame`.

    Returns
    -------
    list of str
        Sentences.
    """
    sign = 1 if section.higher else -1
    winners = []
    for problem in section.problems:
        means = {m: _values(frame, m, section.main, problem).mean() for m in section.methods}
        best = max(means, key=lambda method: sign * means[method])
        winners.append(f"{best} on “{problem}” ({plain_number(means[best])})")
    chosen = frame[frame["measure"] == section.main]
    wide = chosen.pivot(index=["problem", "seed"], columns="method", values="value")
    n_wins = int(np.sum(sign * wide[section.robust] > sign * wide[section.plain]))
    found = headline(section, frame)
    return [
        f"{'Highest' if section.higher else 'Lowest'} {section.main_words}: {', '.join(winners)}.",
        f"{section.robust} is better than {section.plain} in {n_wins} of {len(wide)} pairs of "
        "runs.",
        f"Of the training rows that {section.robust} distrusts {100 * found.right:.0f} % are "
        f"{section.bad}; of all training rows {100 * found.bad:.0f} % are.",
    ]


def plain_number(value: float) -> str:
    """Three decimals, and a minus sign where it is negative."""
    return f"{value:.3f}".replace("-", "−")


def _values(
    frame: pd.DataFrame, method: str, measure: str, problem: str | None = None
) -> np.ndarray:
    """One value per seed; over several problems the mean."""
    chosen = (frame["method"] == method) & (frame["measure"] == measure)
    if problem is not None:
        chosen &= frame["problem"] == problem
    return frame[chosen].groupby("seed")["value"].mean().to_numpy()


def _cells(section: Section, frame: pd.DataFrame, column: Column) -> Sequence[Cell]:
    values = [_values(frame, m, column.measure, column.problem) for m in section.methods]
    cells = [Cell(_FORMS[column.form](one)) for one in values]
    if column.best is not None:
        sign = 1 if column.best == "high" else -1
        means = [sign * round(one.mean(), 3) for one in values]
        for cell, mean in zip(cells, means, strict=True):
            cell.is_best = mean == np.nanmax(means)
    return cells


def _number(values: np.ndarray) -> str:
    if np.isnan(values).any():
        return "–"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{plain_number(values.mean())}{spread}"


def _percent(values: np.ndarray) -> str:
    return "–" if np.isnan(values).any() else f"{100 * values.mean():.0f} %"


def _seconds(values: np.ndarray) -> str:
    return f"{np.median(values):.1f}"


_FORMS = {"number": _number, "percent": _percent, "seconds": _seconds}
