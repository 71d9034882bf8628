"""Rows of results, printed as a table and written as CSV."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import skrobust
from benchmarks.timing import Ratio

__all__ = ["Goal", "Row", "at_least", "at_most", "format_table", "write_csv"]

_PEERS = ("torch", "numpy", "scikit-learn", "skorch", "pyod", "deepod", "zuko")


@dataclass(frozen=True)
class Goal:
    """Bound that a median has to keep.

    Parameters
    ----------
    relation : {"<=", ">="}
        Which side is good.
    limit : float
        The bound.
    """

    relation: str
    limit: float

    def is_reached(self, value: float) -> bool:
        """Whether ``value`` keeps the bound."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


def at_most(limit: float) -> Goal:
    """Goal for a ratio of times."""
    return Goal("<=", limit)


def at_least(limit: float) -> Goal:
    """Goal for a ratio of rates."""
    return Goal(">=", limit)


@dataclass(frozen=True)
class Row:
    """One measurement.

    Parameters
    ----------
    compared : str
        What is divided by what.
    ratio : Ratio or None
        The result; None if it could not be measured, ``note`` says why.
    goal : Goal, optional
        Bound on the median.
    unit : str, default="x"
        "x" for ratios, otherwise the unit of the numbers.
    note : str, default=""
        Remark.
    """

    compared: str
    ratio: Ratio | None
    goal: Goal | None = None
    unit: str = "x"
    note: str = ""

    @property
    def verdict(self) -> str:
        """Reached, missed, or nothing to say."""
        if self.goal is None or self.ratio is None:
            return "-"
        return "reached" if self.goal.is_reached(self.ratio.median) else "MISSED"

    @property
    def value(self) -> str:
        """Median and quartiles as text."""
        if self.ratio is None:
            return "-"
        unit = "" if self.unit == "x" else f" {self.unit}"
        return f"{self.ratio.median:.3g} [{self.ratio.q1:.3g}, {self.ratio.q3:.3g}]{unit}"


def format_table(rows: Sequence[tuple[str, Row]]) -> str:
    """Align names, what is compared, results, goals and verdicts in columns."""
    lines = [("name", "compared", "median [q1, q3]", "goal", "", "note")]
    lines += [
        (name, row.compared, row.value, str(row.goal or "-"), row.verdict, row.note)
        for name, row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    aligned = (
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in aligned)


def write_csv(path: Path, rows: Iterable[tuple[str, Row]]) -> None:
    """Write one line per result, each with the versions it was measured with."""
    versions = _versions()
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        numbers = ["median", "q1", "q3", "rounds", "unit"]
        writer.writerow(["name", "compared", *numbers, "goal", "verdict", "note", *versions])
        for name, row in rows:
            values = ["", "", "", ""]
            if row.ratio is not None:
                values = [f"{v:.4g}" for v in row.ratio[:3]] + [str(row.ratio.n_rounds)]
            goal = "" if row.goal is None else str(row.goal)
            cells = [name, row.compared, *values, row.unit, goal, row.verdict, row.note]
            writer.writerow([*cells, *versions.values()])


def _versions() -> dict[str, str]:
    versions = {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "skrobust": skrobust.__version__,
    }
    for peer in _PEERS:
        try:
            versions[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            versions[peer] = ""
    return versions
