"""The command line that a set of benchmarks has: measure one, print its table, list all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from benchmarks._results import ResultFile
from benchmarks._runner import measure_missing

__all__ = ["Entry", "Suite"]

REPORT, PAGE = "report", "benchmarks.html"


@dataclass(frozen=True)
class Entry:
    """One benchmark.

    Parameters
    ----------
    module : str
        Path of the module with ``cells(n_seeds, sets, methods, settings)``,
        ``measure(cell, device)``, ``VALUES`` and ``render(frame)``; with a figure also
        ``draw(device)``.
    what : str
        What it shows.
    needs_gpu : bool
        Whether a CPU would take days.
    """

    module: str
    what: str
    needs_gpu: bool = False

    def load(self) -> ModuleType:
        """Import the module."""
        return import_module(self.module)


@dataclass(frozen=True)
class Suite:
    """Benchmarks with one command, ``python -m PACKAGE``, and one folder of results.

    Parameters
    ----------
    package : str
        Path of the package whose ``__main__`` calls the suite.
    entries : mapping
        The benchmarks by name.
    results : Path
        Folder with a CSV file per benchmark.
    listing : callable
        Returns what is printed without a name.
    report : callable
        Maps the folder of results to a page in HTML.
    """

    package: str
    entries: Mapping[str, Entry]
    results: Path
    listing: Callable[[], str]
    report: Callable[[Path], str]

    def __call__(self, argv: list[str] | None = None) -> int:
        """Run one benchmark, write the page of all, or list them.

        Parameters
        ----------
        argv : list of str, optional
            Arguments; those of the process by default.

        Returns
        -------
        int
            Exit code: 0 done, 1 some cells failed, 2 bad input.
        """
        arguments = self._parser().parse_args(argv)
        if arguments.name is None:
            print(f"{self.listing()}\n\n{REPORT:17} all results as one page")
            return 0
        try:
            if arguments.name == REPORT:
                return self._write_page(arguments.out or Path(PAGE))
            if arguments.data_home is not None:
                os.environ["SKROBUST_DATA"] = str(arguments.data_home)  # worker processes inherit
            return self._run(self.entries[arguments.name].load(), arguments)
        except (ValueError, OSError, BrokenProcessPool) as error:
            return self._refuse(str(error))

    def _write_page(self, path: Path) -> int:
        path.write_text(self.report(self.results), encoding="utf-8")
        print(path)
        return 0

    def _run(self, benchmark: ModuleType, arguments: argparse.Namespace) -> int:
        path = arguments.out or self.results / f"{arguments.name}.csv"
        results = ResultFile(path, benchmark.VALUES)
        if arguments.picture is not None:
            if not hasattr(benchmark, "draw"):
                return self._refuse(f"{arguments.name} has no picture")
            benchmark.draw(arguments.device).savefig(arguments.picture, dpi=100)
            return 0
        failures = [] if arguments.table else _measure(benchmark, results, arguments)
        print(benchmark.render(results.frame()))
        for line in failures:
            print(f"failed: {line}", file=sys.stderr)
        return 1 if failures else 0

    def _refuse(self, message: str) -> int:
        print(f"{self.package}: {message}", file=sys.stderr)
        return 2

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            f"python -m {self.package}",
            description="Measure one benchmark and print its table; without a name, list all; with "
            "the name report, write all results as one page. Each cell is kept as soon as it is "
            "measured: a run that was stopped goes on where it was.",
        )
        add = parser.add_argument
        add(
            "name",
            nargs="?",
            choices=[*self.entries, REPORT],
            metavar="NAME",
            help="which; none lists them",
        )
        add("--seeds", type=_count, default=3, metavar="N", help="number of seeds (default: 3)")
        add("--sets", type=_names, help="data sets, separated by commas (default: all)")
        add("--methods", type=_names, help="methods, likewise (default: all)")
        add("--settings", type=_names, help="settings, likewise (default: all)")
        add("--jobs", type=_count, default=1, metavar="N", help="processes (default: 1)")
        add("--device", default="cpu", help="device of our networks (default: cpu)")
        add("--data-home", type=Path, help="folder with the data sets (default: $SKROBUST_DATA)")
        add(
            "--out",
            type=Path,
            help=f"CSV file (default: the committed one); with report, the page (default: {PAGE})",
        )
        add("--table", action="store_true", help="measure nothing, print the table")
        add("--picture", type=Path, metavar="FILE", help="draw the figure instead, as PNG or SVG")
        return parser


def _measure(
    benchmark: ModuleType, results: ResultFile, arguments: argparse.Namespace
) -> list[str]:
    chosen = {name: getattr(arguments, name) for name in ("sets", "methods", "settings")}
    cells = benchmark.cells(arguments.seeds, **chosen)
    measure = partial(benchmark.measure, device=arguments.device)
    return measure_missing(cells, measure, results, arguments.jobs)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"needs a whole number from 1, got {text!r}")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
