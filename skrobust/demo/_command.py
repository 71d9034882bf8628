"""The command ``demo``: run all experiments, print their tables, write the page."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from skrobust.cli._console import one_line_errors, whole

DESCRIPTION = (
    "Train on corrupted copies of scikit-learn's bundled data: anomalies, densities, wrong labels, "
    "wrong targets, poisoned rows. Compare with plain networks, scikit-learn and PyOD, print a "
    "table for each and write a page with pictures. Nothing is downloaded. About two minutes; with "
    "--quick some seconds."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add, positive = parser.add_argument, partial(whole, 1, 2**31 - 1)
    add(
        "--out",
        type=Path,
        default=Path("report"),
        metavar="DIR",
        help="folder to write index.html and results.csv to (default: report)",
    )
    add(
        "--seeds",
        type=positive,
        metavar="N",
        help="number of seeds, 0 to N-1; each draws its own split (default: 3, with --quick 1)",
    )
    add(
        "--quick",
        action="store_true",
        help="small networks, little training: shows that it works, not how well",
    )
    add(
        "--jobs",
        type=positive,
        metavar="N",
        help="number of processes (default: one per core, at most 4; with --quick 1)",
    )


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    import pandas as pd
    from joblib import cpu_count

    from skrobust._html import render
    from skrobust.demo._experiments import EXPERIMENTS
    from skrobust.demo._running import run_all, to_frame
    from skrobust.demo._summary import as_text, summarise

    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        args.fail(f"cannot create the folder {args.out}: {error.strerror}")
    seeds = range(args.seeds or (1 if args.quick else 3))
    n_jobs = args.jobs or (1 if args.quick else min(cpu_count(), 4))
    runs = run_all(EXPERIMENTS, seeds, args.quick, n_jobs)
    summaries = {one.key: summarise(one, runs[one.key]) for one in EXPERIMENTS}
    for part in summaries.values():
        _say("", part["title"], "", as_text(part), "", *part["verdict"])
    page = args.out / "index.html"
    try:
        html = render("demo.html", summaries=summaries, seeds=list(seeds), quick=args.quick)
        page.write_text(html, encoding="utf-8")
        frames = [to_frame(one.key, runs[one.key]) for one in EXPERIMENTS]
        pd.concat(frames).to_csv(args.out / "results.csv", index=False)
    except OSError as error:
        args.fail(f"cannot write to {args.out}: {error.strerror}")
    _say("", "Means ± standard deviations over the seeds; * best of the group.", f"Report: {page}")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
