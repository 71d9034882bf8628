"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from skrobust.benchmarks._registry import BENCHMARKS
from skrobust.benchmarks._results import ResultFile
from skrobust.benchmarks._runner import measure_missing

RESULTS = Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark, or list all.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit code: 0 done, 1 some cells failed, 2 bad input.
    """
    arguments = _parser().parse_args(argv)
    if arguments.name is None:
        for name, entry in BENCHMARKS.items():
            print(f"{name:14} {entry.what}")
        return 0
    benchmark = BENCHMARKS[arguments.name].load()
    if arguments.data_home is not None:
        os.environ["SKROBUST_DATA"] = str(arguments.data_home)  # worker processes inherit it
    results = ResultFile(arguments.out or RESULTS / f"{arguments.name}.csv", benchmark.VALUES)
    failures = []
    if not arguments.table:
        try:
            chosen = {"sets": arguments.sets, "methods": arguments.methods}
            cells = benchmark.cells(arguments.seeds, **chosen, settings=arguments.settings)
        except ValueError as error:
            print(f"skrobust.benchmarks: {error}", file=sys.stderr)
            return 2
        measure = partial(benchmark.measure, device=arguments.device)
        failures = measure_missing(cells, measure, results, arguments.jobs)
    print(benchmark.render(results.frame()))
    for line in failures:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m skrobust.benchmarks", description=main.__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument("--sets", type=_names, help="data sets, separated by commas (default: all)")
    parser.add_argument("--methods", type=_names, help="methods, likewise (default: all)")
    parser.add_argument("--settings", type=_names, help="settings, likewise (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--device", default="cpu", help="device of our networks (default: cpu)")
    parser.add_argument("--data-home", type=Path, help="folder with the data sets")
    parser.add_argument("--out", type=Path, help="CSV file (default: the committed one)")
    parser.add_argument("--table", action="store_true", help="measure nothing, render the table")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
