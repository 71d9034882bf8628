"""The command ``audit``: rank the rows of a table by how little their label is trusted."""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust import PRLClassifier, PRLRegressor, audit_labels, estimate_corruption_rate
from skrobust.cli._audit_report import AuditFindings, build_audit_report, describe_top, summarise
from skrobust.cli._console import InputError, add_training_arguments, one_line_errors, say, whole
from skrobust.cli._output import as_bytes, check_outputs, table_csv, write_all
from skrobust.cli._target_column import TASKS, Target, learn_target
from skrobust.cli._training import (
    HOW_READ,
    describe_estimate,
    encode_table,
    facts_on_table,
    open_table,
    plan_epochs,
    train,
)

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Split the rows of a CSV or Parquet file into folds, predict the target column in each fold by "
    "a model that is trained on the others and withstands wrong labels, and write the rows, least "
    f"trusted first, and a report. {HOW_READ}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
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
    folds = partial(whole, 2, 2**31 - 1)
    add("--folds", type=folds, default=5, metavar="N", help="number of folds (default: 5)")
    add_training_arguments(
        parser,
        "--rate",
        "share of wrong labels or targets that you expect, 0 to 0.5: what training drops, and how "
        "many rows are marked (default: auto, which estimates it first)",
        "in each fold (default: at most 100, but 500 to 20,000 steps of 128 rows)",
        "audit.csv",
        "audit.html",
    )


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_outputs({"--out": args.out, "--report": args.report}, [args.file])
    frame, target, ids, notes = _read(args)
    encoder, kinds, more = encode_table(args, frame, " besides the target")
    notes += more
    say(f"target: {_describe(target)}")
    X, model = encoder.transform(frame), _build(args, target, len(frame))
    known, share, seeds = args.rate, f"{args.rate}, assumed", {"random_state": args.random_state}
    if args.rate == "auto":
        say("estimating the share of wrong values")
        folds = min(3, args.folds)
        estimate = train(
            args, estimate_corruption_rate, model, X, target.y, cv=folds, verbose=1, **seeds
        )
        known = estimate.rate
        share, more = describe_estimate(estimate, "wrong values", "--rate")
        notes += more
    model.set_params(corruption_rate=known)
    audit = train(args, audit_labels, model, X, target.y, cv=args.folds, verbose=1, **seeds)
    suspect = np.zeros(len(frame), dtype=bool)
    suspect[audit.order[: math.ceil(known * len(frame) - 1e-9)]] = True
    columns = encoder.columns_
    findings = AuditFindings(args.file.name, target, audit, suspect, columns, frame, ids)
    held_back = [f"{args.id} (id)"] if args.id is not None else []
    table, *how = facts_on_table(args, len(frame), kinds, "models", held_back)
    facts = [
        table,
        ("target", _describe(target)),
        *how,
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
    frame, column, ids, notes = open_table(args, "--target", args.target)
    if len(frame) < args.folds:
        rows = "one row" if len(frame) == 1 else f"{len(frame)} rows"
        raise InputError(f"{args.file} has {rows}, fewer than --folds {args.folds}")
    if len(frame) - -(-len(frame) // args.folds) < 2:
        raise InputError(
            f"{args.file} has {len(frame)} rows: {args.folds} folds leave one to learn"
        )
    target = learn_target(column, args.task, args.folds)
    return frame, target, ids, [*notes, *target.notes]


def _build(args: argparse.Namespace, target: Target, n_rows: int) -> PRLClassifier | PRLRegressor:
    model = (PRLClassifier if target.is_classes else PRLRegressor)(
        preprocessing=None,  # the columns are scaled already
        missing=args.missing or "error",
        random_state=args.random_state,
    )
    n_trained = n_rows - n_rows // args.folds
    return model.set_params(**plan_epochs(n_trained, model, args.epochs))


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
