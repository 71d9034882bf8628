"""A CSV file of measured cells that survives being killed at any moment."""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import pandas as pd

__all__ = ["Cell", "ResultFile"]

_PACKAGES = ("skrobust", "torch", "scikit-learn", "skorch", "pyod", "numpy")


class Cell(NamedTuple):
    """What one measurement is of.

    Parameters
    ----------
    set : str
        Data set.
    method : str
        Method.
    setting : str
        What varies besides, such as the rate that the method is told.
    seed : int
        Seed of split and training.
    """

    set: str
    method: str
    setting: str
    seed: int


class ResultFile:
    """Measured cells, one line each, appended as soon as they are known.

    Parameters
    ----------
    path : path-like
        The CSV file; it is created with the first cell.
    values : sequence of str
        Names of the measured values.
    """

    def __init__(self, path, values: Iterable[str]) -> None:
        self.path = Path(path)
        self.columns = [*Cell._fields, *values, "seconds", "versions", "commit"]
        self._mend()

    def measured(self) -> set[Cell]:
        """Return the cells that are there already."""
        frame = self.frame()
        keys = frame[list(Cell._fields)].itertuples(index=False)
        return {Cell(str(s), str(m), str(v), int(seed)) for s, m, v, seed in keys}

    def frame(self) -> pd.DataFrame:
        """Return all measurements as a table."""
        if not self.path.exists():
            return pd.DataFrame(columns=self.columns)
        return pd.read_csv(self.path, dtype={"set": str, "method": str, "setting": str})

    def append(self, cell: Cell, values: dict[str, float], seconds: float) -> None:
        """Write one measured cell as one whole line.

        Parameters
        ----------
        cell : Cell
            What was measured.
        values : dict
            The measured values.
        seconds : float
            How long it took.
        """
        row = {**cell._asdict(), **values, "seconds": round(seconds, 2), **_provenance()}
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            writer.writeheader()
        writer.writerow(row)
        with self.path.open("a") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())

    def _mend(self) -> None:
        """Remove what a killed run left: a last line without its end."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            self.path.unlink()
            return
        if whole != content:
            self.path.write_bytes(whole)
        columns = next(csv.reader([whole.decode().splitlines()[0]]))
        if columns != self.columns:
            raise ValueError(f"{self.path} has the columns {columns}, expected {self.columns}")


@cache
def _provenance() -> dict[str, str]:
    return {"versions": f"python {platform.python_version()}; {_versions()}", "commit": _commit()}


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "; ".join(found)


def _commit() -> str:
    """Commit of the package's own checkout, if it lies in one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
