"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import ModuleType

from skrobust.benchmarks._page import build_report
from skrobust.benchmarks._registry import BENCHMARKS
from skrobust.benchmarks._results import ResultFile
from skrobust.benchmarks._runner import measure_missing
from skrobust.benchmarks._thesis import ITEMS, listing

REPORT, PAGE = "report", "benchmarks.html"
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
        print(_listing())
        return 0
    if arguments.name == REPORT:
        return _report(arguments.out or Path(PAGE))
    if arguments.data_home is not None:
        os.environ["SKROBUST_DATA"] = str(arguments.data_home)  # worker processes inherit it
    benchmark = BENCHMARKS[arguments.name].load()
    path = arguments.out or RESULTS / f"{arguments.name}.csv"
    try:
        results = ResultFile(path, benchmark.VALUES)
        if arguments.picture is not None:
            return _draw(benchmark, arguments)
        failures = [] if arguments.table else _measure(benchmark, results, arguments)
    except BlockingIOError:
        return _refuse(f"another run is writing to {path}")
    except (ValueError, OSError, BrokenProcessPool) as error:
        return _refuse(str(error))
    print(benchmark.render(results.frame()))
    for line in failures:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failures else 0


def _listing() -> str:
    names = {item.where for item in ITEMS}
    others = [f"{name:17} {BENCHMARKS[name].what}" for name in BENCHMARKS if name not in names]
    lines = [listing(), "", "Other benchmarks", *others, "", f"{REPORT:17} all results as one page"]
    return "\n".join(lines)


def _report(path: Path) -> int:
    try:
        path.write_text(build_report(RESULTS), encoding="utf-8")
    except OSError as error:
        return _refuse(str(error))
    print(path)
    return 0


def _measure(
    benchmark: ModuleType, results: ResultFile, arguments: argparse.Namespace
) -> list[str]:
    chosen = {name: getattr(arguments, name) for name in ("sets", "methods", "settings")}
    cells = benchmark.cells(arguments.seeds, **chosen)
    measure = partial(benchmark.measure, device=arguments.device)
    return measure_missing(cells, measure, results, arguments.jobs)


def _draw(benchmark: ModuleType, arguments: argparse.Namespace) -> int:
    if not hasattr(benchmark, "draw"):
        return _refuse(f"{arguments.name} has no picture")
    benchmark.draw(arguments.device).savefig(arguments.picture, dpi=100)
    return 0


def _refuse(message: str) -> int:
    print(f"skrobust.benchmarks: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m skrobust.benchmarks",
        description="Measure one benchmark of the thesis and print its table; without a name, list "
        "all tables and figures; with the name report, write all results as one page. Each cell is "
        "kept as soon as it is measured: a run that was stopped goes on where it was.",
    )
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        choices=[*BENCHMARKS, REPORT],
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
        help="CSV file (default: the one that comes with the package); with report, the page "
        f"(default: {PAGE})",
    )
    add("--table", action="store_true", help="measure nothing, print the table")
    add("--picture", type=Path, metavar="FILE", help="draw the figure instead, as PNG or SVG")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"needs a whole number from 1, got {text!r}")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
