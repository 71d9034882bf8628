"""The report of ``screen``: verdict, labels, marks, rows, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from skrobust import PoisonScreen
from skrobust._html import render
from skrobust.cli._report import row_names
from skrobust.cli._screen_rows import ScreenRows

_N_SHOWN = 200
_N_NAMED = 5
_SURE = 0.5
_MEASURES = ("rows", "suspect", "examined", "effect", "disagreement", "p-value")


class Findings:
    """What a fitted screen says of rows.

    Parameters
    ----------
    rows : ScreenRows
        The rows.
    screen : PoisonScreen
        Fitted on them; its labels are places in the rows' classes.
    """

    def __init__(self, rows: ScreenRows, screen: PoisonScreen) -> None:
        self.rows, self.screen = rows, screen
        self.suspect = ~screen.inlier_mask_
        self.order = np.lexsort((-screen.sample_scores_, ~self.suspect))  # the suspects first
        self.flagged = [int(code) for code in screen.flagged_labels_]

    @cached_property
    def summary(self) -> str:
        """The verdict."""
        n, n_out = len(self.suspect), int(self.suspect.sum())
        if not self.flagged:
            return (
                f"No label is flagged: in {n:,} rows no mark was found that gives its label to "
                "others. That is no proof that there is none."
            )
        names = [self.name(code) for code in self.flagged]
        shown = ", ".join(names[:_N_NAMED])
        more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
        which = f"Label {shown} is" if len(names) == 1 else f"Labels {shown}{more} are"
        n_sure = int((self.screen.sample_scores_[self.suspect] > _SURE).sum())
        return (
            f"{which} flagged as poisoned: {n_out:,} of {n:,} rows are suspect, {n_sure:,} of them "
            f"with a score above {_SURE}."
        )

    def name(self, code: int) -> str:
        """A label; quoted, if a terminal would take it for a command."""
        label = str(self.rows.classes[code])
        return label if label.isprintable() else repr(label)

    def suspects_of(self, code: int) -> np.ndarray:
        """Places of a label's suspects, highest score first."""
        return self.order[(self.suspect & (self.rows.y == code))[self.order]]

    def title(self, code: int) -> str:
        """How many rows of a label are suspect."""
        n = int((self.rows.y == code).sum())
        name, n_out = self.name(code), len(self.suspects_of(code))
        return f"label {name}: {n_out:,} of {n:,} rows are suspect"

    def line_of(self, code: int) -> dict[str, Any]:
        """What is known of a label, as text."""
        line = self.screen.label_frame_.loc[code]
        shares = {"effect": "effect", "disagreement": "disagreement", "p-value": "p_value"}
        return {
            "name": self.rows.classes[code],
            "rows": f"{int(line['n_rows']):,}",
            "suspect": f"{len(self.suspects_of(code)):,}",
            "examined": f"{int(line['n_suspects']):,}",
            **{name: _number(line[column]) for name, column in shares.items()},
            "flagged": bool(line["flagged"]),
        }


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}"


def build_screen_report(found: Findings, name: str, facts: Sequence[tuple[str, str]]) -> str:
    """Write the page on a file of that name; facts are what was done, name and value."""
    rows = found.rows
    places = found.order[: min(_N_SHOWN, int(found.suspect.sum()))]
    listed = zip(row_names(places, rows.ids), places, strict=True)
    return render(
        "screen.html",
        heading="Screen for poison",
        name=name,
        summary=found.summary,
        evaluation="",
        notes=rows.notes,
        facts=facts,
        is_poisoned=bool(found.flagged),
        is_table=rows.X.ndim == 2,
        id_column=rows.id_column,
        measures=_MEASURES,
        labels=[found.line_of(code) for code in range(len(rows.classes))],
        marks=[_mark(found, code) for code in found.flagged],
        n_suspects=int(found.suspect.sum()),
        rows=[
            (row, rows.classes[rows.y[place]], f"{found.screen.sample_scores_[place]:.3f}")
            for row, place in listed
        ],
        settings=found.screen.get_params(deep=False),
    )


def _mark(found: Findings, code: int) -> dict[str, Any]:
    """Picture of a mark, and what it does to the columns of a table."""
    screen = found.screen
    title = found.title(code)
    return {
        "label": found.rows.classes[code],
        "title": title,
        "png": found.rows.picture(screen, code, title),
        "changes": [
            (change.column, f"{change.size:+.2f}", f"{change.difference:+.4g}")
            for change in found.rows.changes(screen.trigger(code))
        ],
    }
