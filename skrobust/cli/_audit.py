"""The command ``audit``: rank the rows of a table by how little their label is trusted."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skrobust import PRLClassifier, PRLRegressor, audit_labels, estimate_corruption_rate
from skrobust.cli._arguments import folds, positive, rate, seed
from skrobust.cli._audit_report import AuditFindings, build_audit_report, describe_top, summarise
from skrobust.cli._columns import ENCODING, HOW_READ, check_missing, encode, learn_column, widths
from skrobust.cli._detectors import plan_epochs
from skrobust.cli._errors import InputError, one_line_errors, reason
from skrobust.cli._estimates import describe_estimate, note_on_doubt
from skrobust.cli._notes import count_columns, notes_on_columns
from skrobust.cli._output import as_bytes, check_outputs, table_csv, write_all
from skrobust.cli._streams import say
from skrobust.cli._tables import check_names, read_table
from skrobust.cli._target import TASKS, Target, learn_target

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Split the rows of a CSV or Parquet file into folds, predict the target column in each fold by "
    "a model that is trained on the others and withstands wrong labels, and write the rows, least "
    f"trusted first, and a report. {HOW_READ}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command's own parser.
    """
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="table with a header, CSV (UTF-8) or Parquet")
    add("--target", required=True, metavar="COLUMN", help="column of labels or numbers to audit")
    add(
        "--task",
        choices=TASKS,
        default="auto",
        help="what the target is: classes or numbers (default: auto, which takes numbers for "
        "classes if they are two, or whole and at most 20 that occur twice on average)",
    )
    add(
        "--rate",
        type=rate,
        default="auto",
        metavar="RATE",
        help="share of wrong labels or targets that you expect, 0 to 0.5: what training drops, "
        "and how many rows are marked (default: auto, which estimates it first)",
    )
    add("--id", metavar="COLUMN", help="column that names rows: copied to the output, not used")
    add(
        "--missing",
        choices=("mean",),
        help="fill missing cells: numbers with the mean, text with the levels' frequencies",
    )
    add("--folds", type=folds, default=5, metavar="N", help="number of folds (default: 5)")
    add(
        "--epochs",
        type=positive,
        metavar="N",
        help="passes over the table in each fold (default: at most 100, but 500 to 20,000 steps of "
        "128 rows)",
    )
    add("--random-state", type=seed, default=0, metavar="SEED", help="seed (default: 0)")
    add("--out", type=Path, default=Path("audit.csv"), metavar="CSV", help="default: audit.csv")
    add(
        "--report",
        type=Path,
        default=Path("audit.html"),
        metavar="HTML",
        help="default: audit.html",
    )


@one_line_errors
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
    start = time.perf_counter()
    check_outputs({"--out": args.out, "--report": args.report}, [args.file])
    frame, target, ids, notes = _read(args)
    columns = tuple(learn_column(frame[name]) for name in frame)
    if not sum(widths(columns)):
        raise InputError(f"{args.file} has no column to learn from besides the target")
    notes += notes_on_columns(columns, frame)
    encoding = f"{len(columns)} columns ({count_columns(columns)}), {sum(widths(columns))} features"
    say(f"{args.file.name}: {len(frame):,} rows, {encoding}", f"target: {_describe(target)}")
    X, model = encode(columns, frame), _build(args, target, len(frame))
    known, share = args.rate, f"{args.rate}, assumed"
    if args.rate == "auto":
        say("estimating the share of wrong values")
        estimate = _train(args, estimate_corruption_rate, model, X, target.y, cv=min(3, args.folds))
        known, share = estimate.rate, describe_estimate(estimate)
        say(f"wrong values: {share}")
        notes += note_on_doubt(estimate, "wrong values", "--rate")
    model.set_params(corruption_rate=known)
    audit = _train(args, audit_labels, model, X, target.y, cv=args.folds)
    suspect = np.zeros(len(frame), dtype=bool)
    suspect[audit.order[: math.ceil(known * len(frame) - 1e-9)]] = True
    findings = AuditFindings(args.file.name, target, audit, suspect, columns, frame, ids)
    facts = [
        ("table", f"{args.file.name}: {len(frame):,} rows, {encoding}"),
        ("target", _describe(target)),
        (
            "not shown to the models",
            "no column was held back" if ids is None else f"{args.id} (id)",
        ),
        ("encoding", ENCODING),
        ("missing cells", "filled with the column's mean" if args.missing else "none"),
        ("models", f"{args.folds} of {type(model).__name__}"),
        ("wrong values", share),
        ("seed", str(args.random_state)),
        ("time", f"{time.perf_counter() - start:.0f} seconds"),
    ]
    report = as_bytes(build_audit_report(findings, facts, notes))
    write_all({args.out: _csv(findings), args.report: report})
    say(*(f"note: {note}" for note in notes))
    say(summarise(findings), *describe_top(findings), f"wrote {args.out}, {args.report}")
    return 0


def _read(
    args: argparse.Namespace,
) -> tuple[pd.DataFrame, Target, pd.Series | None, list[str]]:
    """Read the table and take it apart, or say what cannot be used."""
    table = read_table(args.file, id_column=args.id)
    frame = table.frame
    check_names(args.file, frame, {"--id": args.id, "--target": args.target})
    if args.id == args.target:
        raise InputError(f"--id and --target are both {args.id!r}")
    if len(frame) < args.folds:
        rows = "one row" if len(frame) == 1 else f"{len(frame)} rows"
        raise InputError(f"{args.file} has {rows}, fewer than --folds {args.folds}")
    if len(frame) - -(-len(frame) // args.folds) < 2:
        raise InputError(
            f"{args.file} has {len(frame)} rows: {args.folds} folds leave one to learn"
        )
    target = learn_target(frame[args.target], args.task, args.folds)
    ids = None if args.id is None else frame[args.id]
    frame = frame.drop(columns=[name for name in (args.id, args.target) if name is not None])
    if args.missing is None:
        check_missing(frame, "fill them, or pass --missing mean")
    return frame, target, ids, [*table.notes, *target.notes]


def _build(args: argparse.Namespace, target: Target, n_rows: int) -> PRLClassifier | PRLRegressor:
    model = (PRLClassifier if target.is_classes else PRLRegressor)(
        preprocessing=None,  # the columns are scaled already
        missing=args.missing or "error",
        random_state=args.random_state,
    )
    n_trained = n_rows - n_rows // args.folds
    return model.set_params(**plan_epochs(n_trained, model, args.epochs))


def _train(args: argparse.Namespace, function: Callable, *data, cv: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries; what matters is raised
        try:
            return function(*data, cv=cv, random_state=args.random_state, verbose=1)
        except (ValueError, FloatingPointError, MemoryError) as error:
            raise InputError(f"cannot train on {args.file}: {reason(error)}") from error


def _describe(target: Target) -> str:
    if target.is_classes:
        return f"{target.column}, {len(target.classes)} classes"
    return f"{target.column}, numbers from {target.y.min():.4g} to {target.y.max():.4g}"


def _csv(findings: AuditFindings) -> bytes:
    """One line per row of the table, least trusted first."""
    audit, target = findings.audit, findings.target
    order = audit.order
    given, suggested = target.y, audit.suggestions
    if target.is_classes:
        names = np.array(target.classes, dtype=object)
        given, suggested = names[given], names[suggested]
    frame = pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "row": order + 1,
            "score": audit.scores[order],
            "given": given[order],
            "suggested": suggested[order],
            findings.measure: audit.given[order],
            "suspect": findings.suspect[order].astype(int),
        }
    )
    ids = findings.ids
    return table_csv(frame, None if ids is None else ids.iloc[order])
