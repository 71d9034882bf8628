"""The command ``demo``: run all sections, print their tables, write the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Train on corrupted copies of scikit-learn's bundled data: anomalies, densities, wrong labels, "
    "wrong targets, poisoned rows. Compare with plain networks, scikit-learn and PyOD, print a "
    "table for each and write a page with pictures. Nothing is downloaded. A few minutes; with "
    "--quick some seconds."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command's own parser.
    """
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("report"),
        metavar="DIR",
        help="folder to write index.html and results.csv to (default: report)",
    )
    parser.add_argument(
        "--seeds",
        type=_positive,
        metavar="N",
        help="number of seeds, 0 to N-1; each draws its own split (default: 3, with --quick 1)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small networks, little training: shows that it works, not how well",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="number of processes (default: one per core, at most 4; with --quick 1)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.

    Returns
    -------
    int
        Exit status.
    """
    import pandas as pd
    from joblib import cpu_count

    from skrobust.demo._page import build_page
    from skrobust.demo._section import run_sections, to_frame
    from skrobust.demo._sections import SECTIONS
    from skrobust.demo._table import format_text, verdict

    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        args.fail(f"cannot create the folder {args.out}: {error.strerror}")
    seeds = range(args.seeds or (1 if args.quick else 3))
    n_jobs = args.jobs or (1 if args.quick else min(cpu_count(), 4))
    runs = run_sections(SECTIONS, seeds, args.quick, n_jobs)
    frames = [to_frame(section.key, runs[section.key]) for section in SECTIONS]
    for section, frame in zip(SECTIONS, frames, strict=True):
        _say("", section.title, "", format_text(section, frame), "", *verdict(section, frame))
    page = args.out / "index.html"
    try:
        page.write_text(build_page(SECTIONS, runs), encoding="utf-8")
        pd.concat(frames).to_csv(args.out / "results.csv", index=False)
    except OSError as error:
        args.fail(f"cannot write to {args.out}: {error.strerror}")
    _say("", "Means ± standard deviations over the seeds; * best of the column.", f"Report: {page}")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number
