"""The rows that ``screen`` looks at, those of a table or pictures, and marks in their words."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skrobust import BackdoorRobustClassifier, PoisonScreen
from skrobust._preprocessing import TablePreprocessor
from skrobust.cli._arrays import as_pictures, is_arrays, read_arrays
from skrobust.cli._console import InputError, say
from skrobust.cli._report import row_names
from skrobust.cli._target_column import learn_classes
from skrobust.cli._training import TrainingTable, plan_epochs
from skrobust.networks import SmallCNN
from skrobust.plotting import PoisonScreenDisplay
from skrobust.plotting._style import new_figure, to_png
from skrobust.tables import Table

_PLAIN: dict[str, Any] = {
    "noisy_label": None,
    "perturbation_limit": 0,
    "occlusion": 0,
    "memory": None,
}
_N_COLUMNS, _N_PICTURES = 10, 6


class Change(NamedTuple):
    """What a mark does to a column of a table."""

    column: str  # of text with the level
    size: float  # in standard deviations
    difference: float  # in the column's units; of a level, in shares of the rows
    spread: float  # standard deviation, likewise


class ScreenRows(ABC):
    """Rows and their labels, the network that is trained on them, and what reports say of them."""

    X: np.ndarray
    ids: pd.Series | None = None
    id_column: str | None = None
    notes: list[str]
    facts: list[tuple[str, str]]
    model: BackdoorRobustClassifier

    def __init__(self, args: argparse.Namespace, column: pd.Series) -> None:
        self.target = learn_classes(column, args.task)
        self.y, self.classes = self.target.y, self.target.classes
        self.described_target = f"{self.target.column}, {len(self.classes)} classes"

    def plain(self, args: argparse.Namespace, module: Any = None, **settings: Any) -> None:
        """Set a network that is trained plainly, for as long as the options say."""
        model = BackdoorRobustClassifier(
            module, **_PLAIN, random_state=args.random_state, **settings
        )
        self.model = model.set_params(**plan_epochs(len(self.y), model, args.epochs))

    def changes(self, mark: np.ndarray) -> list[Change]:
        """What a mark does to columns, the largest change first; nothing to those of pictures."""
        return []

    @abstractmethod
    def picture(self, screen: PoisonScreen, code: int, title: str) -> bytes:
        """Draw the mark of a label."""


class TableRows(ScreenRows):
    """Rows of a table."""

    def __init__(self, args: argparse.Namespace, target: str, table: Table | None = None) -> None:
        self.table = TrainingTable(args, "--target", target, table)
        super().__init__(args, self.table.column)
        X = self.table.encode(" besides the target")
        filled = TablePreprocessor(None, "mean").fit(X).transform(X)
        self.X = np.where(np.isnan(X), filled, X)
        self.notes, self.ids, self.id_column = self.table.notes, self.table.ids, args.id
        about, *more = self.table.facts("networks", [] if args.id is None else [f"{args.id} (id)"])
        self.facts = [about, ("target", self.described_target), *more]
        self.facts.append(("features", "of the encoding, scaled to variance 1 each"))
        self.plain(args)  # rare levels count as much as others: they are a likely mark

    def changes(self, mark: np.ndarray) -> list[Change]:
        """Of a column of text the level that changes most."""
        found, start = [], 0
        for column in self.table.encoder.columns_:
            if not column.width:
                continue
            part = slice(start, start + column.width)
            start += column.width
            spread = self.X[:, part].std(axis=0, dtype=np.float64)
            sizes = np.divide(mark[part], spread, out=np.zeros(column.width), where=spread > 0)
            j = int(np.abs(sizes).argmax())
            in_units = column.unit * np.array([mark[part][j], spread[j]])
            found.append(Change(column.features[j], sizes[j], *in_units.tolist()))
        return sorted(found, key=lambda change: -abs(change.size))[:_N_COLUMNS]

    def picture(self, screen: PoisonScreen, code: int, title: str) -> bytes:
        changes = self.changes(screen.trigger(code))
        names, _, differences, spreads = zip(*changes, strict=True)
        display = PoisonScreenDisplay(
            [np.array(differences)], [title], feature_names=names, spread=np.array(spreads)
        )
        figure = new_figure(6.4, 1.2 + 0.28 * len(changes))
        display.plot(figure.subplots())
        return to_png(figure)


class PictureRows(ScreenRows):
    """Pictures."""

    def __init__(self, args: argparse.Namespace, X: np.ndarray, labels: pd.Series) -> None:
        self.X = as_pictures(args.file, X)
        super().__init__(args, labels)
        n, channels, size, _ = self.X.shape
        kind = "grey" if channels == 1 else "colour"
        about = f"{args.file.name}: {n:,} {kind} pictures of {size} x {size} pixels"
        say(about)
        self.notes = []
        self.facts = [("pictures", about), ("target", self.described_target)]
        self.plain(args, SmallCNN, module__image_size=size)

    def picture(self, screen: PoisonScreen, code: int, title: str) -> bytes:
        figure = new_figure(9.0, 2.7)
        PoisonScreenDisplay.from_estimator(
            screen,
            self.X,
            self.y,
            labels=[code],
            titles=[title],
            n_shown=_N_PICTURES,
            row_names=[f"row {name}" for name in row_names(np.arange(len(self.y)), None)],
            ax=figure.subplots(),
        )
        return to_png(figure)


def read_rows(args: argparse.Namespace) -> ScreenRows:
    """Read what the options name."""
    if not is_arrays(args.file):
        if args.target is None:
            raise InputError("--target is needed: the column of the labels")
        return TableRows(args, args.target)
    if args.id is not None:
        raise InputError(f"--id {args.id}: {args.file} holds arrays, which have no columns")
    name = args.target or "y"
    X, y = read_arrays(args.file, name)
    labels = pd.Series(y, name=name)
    if X.ndim != 2:
        return PictureRows(args, X, labels)
    frame = pd.DataFrame(X, columns=[f"feature {j + 1}" for j in range(X.shape[1])])
    return TableRows(args, name, Table(frame.assign(**{name: labels}), []))
