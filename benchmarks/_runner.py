"""Measure the cells of a benchmark that are not measured yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

import torch
from tqdm import tqdm

from benchmarks._results import Cell, ResultFile, provenance

__all__ = ["measure_missing"]

Measure = Callable[[Cell], dict[str, float]]


def measure_missing(
    cells: Sequence[Cell], measure: Measure, results: ResultFile, jobs: int = 1
) -> list[str]:
    """Measure what is missing and append it, cell by cell.

    Parameters
    ----------
    cells : sequence of Cell
        All cells of the benchmark.
    measure : callable
        Maps a cell to its values; picklable. What it raises is reported, and the other cells go
        on.
    results : ResultFile
        Cells found there are skipped.
    jobs : int, default=1
        Processes, of one torch thread each.

    Returns
    -------
    list of str
        One line per cell that failed.

    Raises
    ------
    BlockingIOError
        If another run is writing to the same file.
    """
    provenance()  # of the code that is loaded now, not of what the checkout holds hours later
    with results.writing():
        measured = results.measured()
        missing = [cell for cell in cells if cell not in measured]
        done = len(cells) - len(missing)
        with tqdm(total=len(cells), initial=done, unit="cell", file=sys.stderr) as bar:
            return _measure(missing, measure, results, jobs, bar)


def _measure(
    cells: Sequence[Cell], measure: Measure, results: ResultFile, jobs: int, bar: tqdm
) -> list[str]:
    failures = []
    for cell, outcome, seconds in _outcomes(cells, partial(_timed, measure), jobs):
        if isinstance(outcome, Exception):
            failures.append(f"{' '.join(map(str, cell))}: {type(outcome).__name__}: {outcome}")
        else:
            results.append(cell, outcome, seconds)
        bar.set_postfix_str(f"{cell.set} {cell.method}", refresh=False)
        bar.update()
    return failures


def _timed(measure: Measure, cell: Cell):
    torch.set_num_threads(1)
    start = time.perf_counter()
    try:
        outcome: dict[str, float] | Exception = measure(cell)
    except Exception as error:
        outcome = error
    return cell, outcome, time.perf_counter() - start


def _outcomes(cells: Sequence[Cell], run: Callable, jobs: int) -> Iterator[tuple]:
    if jobs == 1:
        threads = torch.get_num_threads()
        try:
            yield from map(run, cells)
        finally:
            torch.set_num_threads(threads)
        return
    # Threads of torch and numba do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run, cell) for cell in cells]):
            yield done.result()
