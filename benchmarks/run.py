"""Run benchmarks: ``python -m benchmarks.run [NAME ...] [--rounds N] [--out FILE.csv]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks import (
    auto_rate,
    flow_step,
    prl_step,
    rca_epoch,
    rca_fit,
    rca_scoring,
    simclr_step,
    threads,
)
from benchmarks.report import format_table, write_csv

__all__ = ["BENCHMARKS", "main"]

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
    "rca-score-passes": rca_scoring.run_passes,
    "rca-score-rate": rca_scoring.run_rate,
    "simclr-step": simclr_step.run,
    "threads": threads.run,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what the command line names, print the table, write the CSV."""
    options = _parse(arguments)
    if options.list:
        print("\n".join(BENCHMARKS))
        return
    torch.set_num_threads(1)
    rows = []
    for name in options.names or BENCHMARKS:
        for row in BENCHMARKS[name](options.rounds):
            print(f"{name}: {row.compared}: {row.value} {row.verdict}", flush=True)
            rows.append((name, row))
    print("\n" + format_table(rows))
    if options.out is not None:
        write_csv(options.out, rows)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; all by default")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--rounds", type=int, default=9, help="rounds per ratio (default: 9)")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write the results here too")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; --list prints the names")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    main()
