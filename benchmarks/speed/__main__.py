"""Measure speed: ``python -m benchmarks.speed [NAME ...] [--rounds N] [--out FILE.csv]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks._results import provenance
from benchmarks.speed import (
    auto_rate,
    flow_step,
    prl_step,
    rca_epoch,
    rca_fit,
    rca_scoring,
    simclr_step,
    threads,
)
from benchmarks.speed.report import History, format_table

__all__ = ["BENCHMARKS", "RESULTS", "main"]

RESULTS = Path(__file__).parent / "results.csv"

BENCHMARKS = {
    "auto-rate": auto_rate.run,
    "backdoor-step": prl_step.run_backdoor,
    "conv-layout": prl_step.run_layout,
    "flow-step": flow_step.run,
    "flow-memory": flow_step.run_memory,
    "prl-fit": prl_step.run_fit,
    "prl-gradient": prl_step.run_gradient,
    "prl-step": prl_step.run_step,
    "rca-epoch": rca_epoch.run,
    "rca-fit": rca_fit.run,
    "rca-default": rca_scoring.run_default,
    "rca-score-passes": rca_scoring.run_passes,
    "rca-score-rate": rca_scoring.run_rate,
    "simclr-step": simclr_step.run,
    "threads": threads.run,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what the command line names, add it to the history, print the table."""
    options = _parse(arguments)
    if options.list:
        print("\n".join(BENCHMARKS))
        return
    torch.set_num_threads(1)
    provenance()  # of the code that is loaded now
    history = History(options.out)
    rows = []
    for name in options.names or BENCHMARKS:
        for row in BENCHMARKS[name](options.rounds):
            print(f"{name}: {row.compared}: {row.value} {row.verdict}", flush=True)
            history.append(name, row)
            rows.append((name, row))
    print("\n" + format_table(rows))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; all by default")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--rounds", type=int, default=9, help="rounds per ratio (default: 9)")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        metavar="FILE.csv",
        help="add the rows to this file (default: the committed history)",
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; --list prints the names")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    main()
