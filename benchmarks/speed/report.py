"""Rows of results, printed as a table and added to a history."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

import torch

import skrobust
from benchmarks._results import machine, provenance
from benchmarks.speed.timing import Ratio

__all__ = ["Goal", "History", "Row", "at_least", "at_most", "format_table"]

_PEERS = ("torch", "numpy", "scikit-learn", "skorch", "pyod", "deepod", "zuko")
_NUMBERS = ("median", "q1", "q3", "rounds")
_COLUMNS = [
    *("commit", "date", "machine", "name", "compared", *_NUMBERS),
    *("unit", "goal", "verdict", "note", "cpu", "python", "skrobust", *_PEERS),
]


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


class History:
    """A CSV file to which every measurement adds a row, and which forgets none.

    Parameters
    ----------
    path : Path
        The file; it is created with the first row.

    Raises
    ------
    ValueError
        If the file is there and holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines()[:1] if path.exists() else []
        if lines and next(csv.reader(lines)) != _COLUMNS:
            raise ValueError(f"{path} begins with {lines[0]!r}, not {','.join(_COLUMNS)!r}")

    def append(self, name: str, row: Row) -> None:
        """Add a measurement, with commit, date, machine and versions.

        Parameters
        ----------
        name : str
            Name of the benchmark.
        row : Row
            What it gave.
        """
        ratio = row.ratio
        numbers = ("",) * 4 if ratio is None else (*(f"{v:.4g}" for v in ratio[:3]), ratio.n_rounds)
        values = {
            "commit": provenance()["commit"],
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "name": name,
            "compared": row.compared,
            **dict(zip(_NUMBERS, numbers, strict=True)),
            "unit": row.unit,
            "goal": "" if row.goal is None else str(row.goal),
            "verdict": row.verdict,
            "note": row.note,
            **_versions(),
        }
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(values)

    def newest(self) -> list[dict[str, str]]:
        """The last row of each measurement, by benchmark; one without a number only if all are."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        with self.path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = (row["name"], row["compared"])
                if row["median"] or not found.get(key, row)["median"]:
                    found[key] = row
        return sorted(found.values(), key=itemgetter("name"))


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
