"""The command ``screen``: is there poison, which label does it want, which rows carry it."""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust import PoisonScreen
from skrobust.cli._console import (
    add_training_arguments,
    one_line_errors,
    say,
    whole,
    within,
)
from skrobust.cli._output import as_bytes, check_outputs, table_csv, write_all
from skrobust.cli._report import row_names
from skrobust.cli._screen_report import Findings, build_screen_report
from skrobust.cli._screen_rows import read_rows
from skrobust.cli._target_column import TASKS
from skrobust.cli._training import HOW_READ, train

DESCRIPTION = (
    "Look for poison: rows that carry a small mark and the label that somebody wants it to give. "
    "Write all rows, suspects first, and a report with the marks. The exit status is 0 where no "
    "label is flagged, 3 where one is, 2 after an error. A .npz file (numpy.savez) holds rows X, "
    "(n_rows, n_features), (n_rows, height, width) or (n_rows, channels, height, width), and their "
    f"labels y, (n_rows,). Of tables: {HOW_READ}"
)

_FLAGGED = 3
_N_PRINTED, _N_COLUMNS = 5, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    file = "table with a header, CSV (UTF-8) or Parquet, or arrays, .npz"
    add("file", type=Path, metavar="FILE", help=file)
    target = "column of labels; of a .npz file, the array of labels (default: y)"
    add("--target", metavar="COLUMN", help=target)
    task = "classification: also numbers of many values are labels (default: auto, an error then)"
    add("--task", choices=TASKS[:2], default="auto", help=task)
    alpha = "largest p-value of a label that is flagged, 0.0001 to 0.5 (default: 0.01)"
    add("--alpha", type=_alpha, default=0.01, metavar="LEVEL", help=alpha)
    least = partial(whole, 2, 2**31 - 1)
    few = "fewer suspects of a label are not judged (default: 8)"
    add("--min-suspects", type=least, default=8, metavar="N", help=few)
    length = "in each training (default: at most 100, but 1,000 to 20,000 steps)"
    add_training_arguments(parser, length, "screen.csv", "screen.html")


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_outputs({"--out": args.out, "--report": args.report}, [args.file])
    rows = read_rows(args)
    say(f"target: {rows.described_target}", "training networks with and without the suspects")
    screen = PoisonScreen(
        rows.model,
        alpha=args.alpha,
        n_permutations=max(99, math.ceil(1 / args.alpha - 1e-9) - 1),
        min_suspects=args.min_suspects,
        random_state=args.random_state,
    )
    found = Findings(rows, train(args, screen.fit, rows.X, rows.y))
    facts = [
        *rows.facts,
        ("networks", type(rows.model).__name__ + ", trained plainly"),
        ("largest p-value", f"{args.alpha:g}, of {screen.n_permutations} draws"),
        ("fewest suspects", f"{args.min_suspects} of a label"),
        ("all rows", f"{args.out.name}: row, label, score, suspect"),
        ("seed", str(args.random_state)),
        ("time", f"{time.perf_counter() - start:.0f} seconds"),
    ]
    report = as_bytes(build_screen_report(found, args.file.name, facts))
    write_all({args.out: _csv(found), args.report: report})
    say(*(f"note: {note}" for note in rows.notes), found.summary)
    for code in found.flagged:
        say(*_describe(found, code))
    say(f"wrote {args.out}, {args.report}")
    return _FLAGGED if screen.is_poisoned_ else 0


def _alpha(text: str) -> float:
    return within(float, 0.0001, 0.5, "a number from 0.0001 to 0.5", text)


def _csv(found: Findings) -> bytes:
    """One line per row, the suspects first, then by score."""
    order, rows = found.order, found.rows
    columns = {
        "row": order + 1,
        "label": np.array(rows.classes, dtype=object)[rows.y[order]],
        "score": found.screen.sample_scores_[order],
        "suspect": found.suspect[order].astype(int),
    }
    return table_csv(pd.DataFrame(columns), None if rows.ids is None else rows.ids.iloc[order])


def _describe(found: Findings, code: int) -> list[str]:
    """Lines on a flagged label: how sure, what its mark does to a table, some suspects."""
    line = found.line_of(code)
    said = ", ".join(f"{name} {line[name]}" for name in ("effect", "disagreement", "p-value"))
    changes = found.rows.changes(found.screen.trigger(code))[:_N_COLUMNS]
    mark = ", ".join(f"{change.column} {change.difference:+.3g}" for change in changes)
    places = found.suspects_of(code)
    names = ", ".join(row_names(places[:_N_PRINTED], found.rows.ids))
    more = f" and {len(places) - _N_PRINTED:,} more" if len(places) > _N_PRINTED else ""
    return [
        f"{found.title(code)} ({said})",
        f"  mark: {mark}" if mark else "",
        f"  rows {names}{more}" if names else "",
    ]
