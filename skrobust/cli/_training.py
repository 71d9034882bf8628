"""What the commands that train share: the table, what is said of it, and errors of training."""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

import skrobust
from skrobust import CorruptionEstimate
from skrobust.cli._console import InputError, say
from skrobust.tables import TableEncoder, read_table
from skrobust.tables._cells import as_text, quoted
from skrobust.tables._encoder import Column
from skrobust.tables._read import MISSING, Table, reason

MOST_STEPS = 20_000
LEAST_STEPS = 500
LEAST_EPOCHS = 5
HOW_READ = (
    "Numbers, text, truth values and dates are used. Text becomes one "
    "feature for each of its at most 50 levels with 1 % of the rows or more, and one for all "
    "others; dates (of Parquet, or YYYY-MM-DD with or without a time) become days. "
    f"Missing in a CSV file are empty cells and {', '.join(MISSING[1:-1])} and {MISSING[-1]}; in "
    "the id column only empty cells."
)
_ENCODING = (
    "numbers and dates (days since 1970) scaled to variance 1; text and truth values: one feature "
    "per level with at least 1 % of the rows, at most 50, and one for all others"
)

_MOSTLY = 0.9
_COMMA = (  # decimal: 1.234,5 or ,5; of thousands: 1,234.5
    r"[+-]?(?:(?:\d{1,3}(?:\.\d{3})+|\d*),\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?:[eE][+-]?\d+)?\s*"
)


class TrainingTable:
    """The table that a command trains on: features, the columns beside them, and notes."""

    def __init__(
        self, args: argparse.Namespace, option: str, name: str | None, table: Table | None = None
    ) -> None:
        table = read_table(args.file, id_column=args.id) if table is None else table
        for given, column in (("--id", args.id), (option, name)):
            if column is not None and column not in table.frame:
                known = quoted(table.frame.columns, 8)
                raise InputError(f"{given} {column}: {args.file} has no such column, only {known}")
        if args.id is not None and args.id == name:
            raise InputError(f"--id and {option} are both {name!r}")
        self.args, self.notes, self.encoder = args, table.notes, TableEncoder()
        self.column, self.ids = table.frame.get(name), table.frame.get(args.id)
        held_back = [column for column in (args.id, name) if column is not None]
        self.frame = table.frame.drop(columns=held_back)

    def encode(self, besides: str = "") -> np.ndarray:
        """Learn the columns, say what they are, and return the features."""
        frame, file = self.frame, self.args.file
        if self.args.missing is None:
            check_missing(frame, "fill them, or pass --missing mean")
        if not frame.shape[1] or not sum(self.encoder.fit(frame).widths):
            raise InputError(f"{file} has no column to learn from{besides}")
        columns = self.encoder.columns_
        counts = Counter(column.kind for column in columns)
        words = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        kinds = f"{len(columns)} columns ({words}), {sum(self.encoder.widths)} features"
        self.described = f"{file.name}: {len(frame):,} rows, {kinds}"
        say(self.described)
        self.notes += notes_on_columns(columns, frame)
        return self.encoder.transform(frame)

    def describe(self, estimate: CorruptionEstimate, what: str, option: str) -> str:
        """Say the estimated share in a few words, and why it may be wrong in a note."""
        how = "estimated" if estimate.doubt is None else "a guess"
        share = f"{estimate.rate:.1%}, {how} ({estimate.low:.1%} to {estimate.high:.1%})"
        say(f"{what}: {share}")
        if estimate.doubt is not None:
            self.notes.append(
                f"the share of {what} cannot be estimated reliably: {estimate.doubt}; pass "
                f"{option} if you know better"
            )
        return share

    def facts(self, whom: str, held_back: list[str]) -> list[tuple[str, str]]:
        """What reports say of the table, its encoding and the columns that were held back."""
        return [
            ("table", self.described),
            (f"not shown to the {whom}", ", ".join(held_back) or "no column was held back"),
            ("encoding", _ENCODING),
            ("missing cells", "filled with the column's mean" if self.args.missing else "none"),
        ]


def check_missing(frame: pd.DataFrame, advice: str) -> None:
    """Refuse missing cells; the message says where they are and ends with ``advice``."""
    counts = frame.isna().sum()
    names = list(counts.index[counts > 0])
    if names:
        row = int(np.argmax(frame[names[0]].isna())) + 1
        raise InputError(
            f"missing cells in {quoted(names)} ({int(counts.sum()):,} in all, the first in row "
            f"{row}): {advice}"
        )


def plan_epochs(n_rows: int, estimator: Any, wanted: int | None) -> dict[str, Any]:
    """Parameters of the training's length, by default the estimator's in 500 to 20,000 steps."""
    if wanted is not None:
        return {"max_epochs": wanted}
    steps = skrobust.training.count_batches(n_rows, estimator._rows_per_step(n_rows))
    most = max(LEAST_EPOCHS, MOST_STEPS // steps)
    if estimator.usual_epochs > most:
        return {"max_epochs": most}
    return {"min_steps": LEAST_STEPS if estimator.min_steps is None else estimator.min_steps}


def train(args: argparse.Namespace, function: Callable, *data: Any, **settings: Any) -> Any:
    """Call a function that trains; what it refuses ends the command with one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries; what matters is raised
        try:
            return function(*data, **settings)
        except (ValueError, FloatingPointError, MemoryError) as error:
            raise InputError(f"cannot train on {args.file}: {reason(error)}") from error


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
