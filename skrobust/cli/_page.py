"""Parts that the reports on tables share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from skrobust._report import STYLE

__all__ = ["PAGE_STYLE", "fact_list", "note_list", "paragraph", "row_names", "short"]


def short(text: str, most: int = 40) -> str:
    """At most so many characters of a text."""
    return text if len(text) <= most else text[: most - 1] + "…"


def paragraph(text: str) -> str:
    """A paragraph; nothing for no text."""
    return f"<p>{escape(text)}</p>" if text else ""


def note_list(notes: Sequence[str]) -> str:
    """A marked paragraph for each note."""
    return "".join(f'<p class="note">{escape(note)}</p>\n' for note in notes)


def fact_list(facts: Sequence[tuple[str, str]]) -> str:
    """Names and values beside each other."""
    lines = "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts)
    return f"<dl>\n{lines}\n</dl>"


def row_names(places: np.ndarray, ids: pd.Series | None) -> list[str]:
    """Numbers of rows, counted from 1, and their ids where there are some."""
    return [f"{row + 1}" if ids is None else f"{row + 1} ({ids.iloc[row]})" for row in places]


PAGE_STYLE = (
    STYLE
    + """
body { max-width: 60rem; }
td, th { vertical-align: top; }
td.why, th.why { text-align: left; white-space: normal; min-width: 15rem;
  overflow-wrap: anywhere; }
.typical { color: #555; }
figure { max-width: 44rem; margin-top: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .5rem 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
@media screen and (max-width: 40rem) {
  table, tbody { display: block; } thead { display: none; }
  tr { display: flex; flex-wrap: wrap; column-gap: 1rem; padding: .4rem 0; }
  th, td { padding: 0; } tr th[scope=row] { font-weight: 600; width: 100%; }
  th::before { content: "row "; }
  td.why { width: 100%; min-width: 0; }
  td[data-name]::before { content: attr(data-name) " "; color: #555; } }
@media print { tr { break-inside: avoid; } }"""
)
