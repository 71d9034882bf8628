"""A CSV file of measured cells that survives being killed at any moment."""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from filelock import FileLock, Timeout

__all__ = ["Cell", "Grid", "ResultFile", "known", "machine", "provenance"]

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


def known(
    what: str, given: Sequence[str] | None, standard: Collection[str], more: Collection[str] = ()
) -> list[str]:
    """Return the given names, or the standard ones; refuse those that are not in either list."""
    allowed = [*standard, *more]
    unknown = [name for name in given or () if name not in allowed]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; allowed are {', '.join(allowed)}")
    return list(given or standard)


@dataclass(frozen=True)
class Grid:
    """The cells of a benchmark: combinations of sets, settings and methods.

    Parameters
    ----------
    sets, settings, methods : collection of str
        What is measured unless something else is asked for.
    more_sets, more_methods : collection of str
        What is measured on request only.
    keep : callable or None
        Takes a cell and says whether it is of use; None keeps all.
    """

    sets: Collection[str]
    settings: Collection[str]
    methods: Collection[str]
    more_sets: Collection[str] = ()
    more_methods: Collection[str] = ()
    keep: Callable[[Cell], bool] | None = None

    def __call__(
        self,
        n_seeds: int,
        sets: Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        settings: Sequence[str] | None = None,
    ) -> list[Cell]:
        """List what is to be measured, seed by seed, the methods of a setting one after another.

        Parameters
        ----------
        n_seeds : int
            Seeds, from 0 on.
        sets, methods, settings : sequence of str, optional
            Only these; None takes the standard ones.

        Returns
        -------
        list of Cell

        Raises
        ------
        ValueError
            If a name is not one of the benchmark's.
        """
        sets = known("set", sets, self.sets, self.more_sets)
        methods = known("method", methods, self.methods, self.more_methods)
        settings = known("setting", settings, self.settings)
        every = product(range(n_seeds), sets, settings, methods)
        cells = [Cell(name, method, setting, seed) for seed, name, setting, method in every]
        return [cell for cell in cells if self.keep is None or self.keep(cell)]


class ResultFile:
    """Measured cells, one line each, appended as soon as they are known.

    Parameters
    ----------
    path : path-like
        The CSV file; it is created with the first cell.
    values : sequence of str
        Names of the measured values.

    Raises
    ------
    ValueError
        If the file is there and holds something else.
    """

    def __init__(self, path, values: Iterable[str]) -> None:
        self.path = Path(path)
        self.columns = [*Cell._fields, *values, "seconds", "versions", "commit"]
        header = self._whole_lines().partition("\n")[0]
        if header and next(csv.reader([header])) != self.columns:
            raise ValueError(f"{self.path} begins with {header!r}, not {','.join(self.columns)!r}")

    def measured(self) -> set[Cell]:
        """Return the cells that are there already."""
        frame = self.frame()
        keys = frame[list(Cell._fields)].itertuples(index=False)
        return {Cell(str(s), str(m), str(v), int(seed)) for s, m, v, seed in keys}

    def frame(self) -> pd.DataFrame:
        """Return all measurements as a table; an unfinished last line is not one."""
        text = self._whole_lines()
        if not text:
            return pd.DataFrame(columns=self.columns)
        frame = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(Cell._fields[:3], str))
        return frame.drop_duplicates(list(Cell._fields), ignore_index=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the file to this process, and remove the unfinished line of a killed one.

        Raises
        ------
        BlockingIOError
            If another process is writing.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise BlockingIOError(f"another run is writing to {self.path}") from None
        try:
            self.path.touch()
            os.truncate(self.path, len(self._whole_lines().encode()))
            yield
        finally:
            lock.release()

    def append(self, cell: Cell, values: dict[str, float], seconds: float) -> None:
        """Write one measured cell as one whole line; only while :meth:`writing`.

        Parameters
        ----------
        cell : Cell
            What was measured.
        values : dict
            The measured values.
        seconds : float
            How long it took.
        """
        row = {**cell._asdict(), **values, "seconds": round(seconds, 2), **provenance()}
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        with self.path.open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())

    def _whole_lines(self) -> str:
        if not self.path.exists():
            return ""
        content = self.path.read_bytes()
        return content[: content.rfind(b"\n") + 1].decode("utf-8")


@cache
def provenance() -> dict[str, str]:
    """Machine, versions and commit, as they are when first asked for."""
    python = f"python {platform.python_version()} on {machine()}"
    return {"versions": f"{python}; {_versions()}", "commit": _commit()}


def machine() -> str:
    """What kind of machine this is."""
    return f"{platform.system()} {platform.machine()} with {os.cpu_count()} CPUs"


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "; ".join(found)


def _commit() -> str:
    """Commit of this checkout, marked if package or benchmarks differ from it, results apart."""
    if not _git("ls-files", Path(__file__).name):
        return ""  # not a checkout of this project
    results = (f":(exclude){pattern}" for pattern in ("*.csv", "*.csv.lock", "*.png"))
    changed = _git("status", "--porcelain", "--", "../skrobust", ".", *results)
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
