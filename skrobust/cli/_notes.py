"""What a user should know about how columns were read."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skrobust.tables._cells import as_text
from skrobust.tables._encoder import Column

__all__ = ["count_columns", "notes_on_columns"]

_MOSTLY = 0.9
_COMMA = (  # decimal: 1.234,5 or ,5; of thousands: 1,234.5
    r"[+-]?(?:(?:\d{1,3}(?:\.\d{3})+|\d*),\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?:[eE][+-]?\d+)?\s*"
)


def count_columns(columns: Sequence[Column]) -> str:
    """Number of columns by kind, as words."""
    kinds = [column.kind for column in columns]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def notes_on_columns(columns: Sequence[Column], frame: pd.DataFrame) -> list[str]:
    """Sentences on empty columns, and on text that could be numbers or hardly ever repeats."""
    notes = []
    for column in columns:
        if column.kind == "empty":
            notes.append(f"{column.name}: all cells are missing; not used")
        if column.kind == "categorical":
            notes += _notes_on_text(column, as_text(frame[column.name].dropna()))
    return notes


def _notes_on_text(column: Column, text: pd.Series) -> list[str]:
    counts = text.value_counts()
    levels = pd.Series(counts.index, dtype=object)
    with_comma = levels.str.fullmatch(_COMMA).to_numpy(dtype=bool)
    is_number = pd.to_numeric(levels, errors="coerce").notna().to_numpy()
    if with_comma.any() and counts[with_comma | is_number].sum() >= _MOSTLY * len(text):
        return [
            f"{column.name}: looks like numbers written with a comma, such as "
            f"{levels[with_comma].iloc[0]!r}: used as text (for numbers write 1234.5)"
        ]
    if _MOSTLY <= counts[is_number].sum() / len(text) < 1:
        other = levels[~is_number].iloc[0]
        return [f"{column.name}: mostly numbers, but also {other!r}: used as text"]
    if len(column.levels) == 0:
        return [
            f"{column.name}: {len(counts):,} different texts, none frequent: says nothing here "
            "(--id carries a column into the output)"
        ]
    return []
