"""The command ``audit``: rank the rows of a table by how little their label is trusted."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import skrobust
from skrobust._html import render
from skrobust.cli._console import (
    InputError,
    add_rate,
    add_training_arguments,
    one_line_errors,
    say,
    whole,
)
from skrobust.cli._output import as_bytes, check_outputs, table_csv, write_all
from skrobust.cli._pictures import draw_targets
from skrobust.cli._report import row_names
from skrobust.cli._target_column import TASKS, Target, learn_target
from skrobust.cli._training import HOW_READ, TrainingTable, plan_epochs, train

DESCRIPTION = (
    "Split the rows of a CSV or Parquet file into folds, predict the target column in each fold by "
    "a model that is trained on the others and withstands wrong labels, and write the rows, least "
    f"trusted first, and a report. {HOW_READ}"
)

_N_SHOWN, _N_CELLS, _N_CLASSES = 20, 30, 15


@dataclass(frozen=True)
class _Findings:
    """What the report says of a table."""

    table: TrainingTable
    target: Target
    audit: skrobust.LabelAudit
    suspect: np.ndarray  # (n,), bool: the share of the rows that is marked

    @property
    def measure(self) -> str:
        """What is said of a given label or target besides the suggestion."""
        return "probability" if self.target.classes else "residual"


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
    add_rate(
        parser,
        "--rate",
        "share of wrong labels or targets that you expect, 0 to 0.5: what training drops, and how "
        "many rows are marked (default: auto, which estimates it first)",
    )
    add_training_arguments(
        parser,
        "in each fold (default: at most 100, but 500 to 20,000 steps of 128 rows)",
        "audit.csv",
        "audit.html",
    )


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_outputs({"--out": args.out, "--report": args.report}, [args.file])
    table = TrainingTable(args, "--target", args.target)
    target = _learn_target(args, table)
    X, model = table.encode(" besides the target"), _build(args, target)
    say(f"target: {_describe(target)}")
    known, share = args.rate, f"{args.rate}, assumed"
    how = {"random_state": args.random_state, "verbose": 1}
    if args.rate == "auto":
        say("estimating the share of wrong values")
        folds = min(3, args.folds)
        estimate = train(
            args, skrobust.estimate_corruption_rate, model, X, target.y, cv=folds, **how
        )
        known = estimate.rate
        share = table.describe(estimate, "wrong values", "--rate")
    model.set_params(corruption_rate=known)
    audit = train(args, skrobust.audit_labels, model, X, target.y, cv=args.folds, **how)
    suspect = np.zeros(len(X), dtype=bool)
    suspect[audit.order[: math.ceil(known * len(X) - 1e-9)]] = True
    findings = _Findings(table, target, audit, suspect)
    about, *more = table.facts("models", [] if args.id is None else [f"{args.id} (id)"])
    facts = [
        about,
        ("target", _describe(target)),
        *more,
        ("models", f"{args.folds} of {type(model).__name__}"),
        ("wrong values", share),
        ("seed", str(args.random_state)),
        ("time", f"{time.perf_counter() - start:.0f} seconds"),
    ]
    report = as_bytes(build_audit_report(findings, facts))
    write_all({args.out: _csv(findings), args.report: report})
    say(*(f"note: {note}" for note in table.notes))
    say(_summarise(findings), *_describe_top(findings), f"wrote {args.out}, {args.report}")
    return 0


def _learn_target(args: argparse.Namespace, table: TrainingTable) -> Target:
    """Decide what is audited, or say why the rows cannot be."""
    n, folds = len(table.frame), args.folds
    if n < folds:
        rows = "one row" if n == 1 else f"{n} rows"
        raise InputError(f"{args.file} has {rows}, fewer than --folds {folds}")
    if n - -(-n // folds) < 2:
        raise InputError(f"{args.file} has {n} rows: {folds} folds leave one to learn")
    target = learn_target(table.column, args.task, folds)
    table.notes += target.notes
    return target


def _build(
    args: argparse.Namespace, target: Target
) -> skrobust.PRLClassifier | skrobust.PRLRegressor:
    model = (skrobust.PRLClassifier if target.classes else skrobust.PRLRegressor)(
        preprocessing=None,  # the columns are scaled already
        missing=args.missing or "error",
        random_state=args.random_state,
    )
    n_trained = len(target.y) - len(target.y) // args.folds
    return model.set_params(**plan_epochs(n_trained, model, args.epochs))


def _describe(target: Target) -> str:
    if target.classes:
        return f"{target.column}, {len(target.classes)} classes"
    return f"{target.column}, numbers from {target.y.min():.4g} to {target.y.max():.4g}"


def _csv(findings: _Findings) -> bytes:
    """One line per row of the table, least trusted first."""
    audit, target, order = findings.audit, findings.target, findings.audit.order
    names, values = np.array(target.classes, dtype=object), (target.y, audit.suggestions)
    given, suggested = (names[v] if target.classes else v for v in values)
    columns = {
        "rank": np.arange(1, len(order) + 1),
        "row": order + 1,
        "score": audit.scores[order],
        "given": given[order],
        "suggested": suggested[order],
        findings.measure: audit.given[order],
        "suspect": findings.suspect[order].astype(int),
    }
    ids = findings.table.ids
    return table_csv(pd.DataFrame(columns), None if ids is None else ids.iloc[order])


def build_audit_report(findings: _Findings, facts: Sequence[tuple[str, str]]) -> str:
    """Write the page; facts are what was done, name and value."""
    table, is_classes = findings.table, bool(findings.target.classes)
    top = findings.audit.order[:_N_SHOWN]
    names = row_names(top, table.ids)
    return render(
        "audit.html",
        heading=f"Least trusted {findings.target.column}",
        name=table.args.file.name,
        summary=_summarise(findings),
        evaluation="",
        notes=table.notes,
        id_column=table.args.id,
        measures=["given", "suggested", findings.measure],
        rows=[_row(findings, row, name) for row, name in zip(top, names, strict=True)],
        n_more=len(table.encoder.columns_) - _N_CELLS,
        is_classes=is_classes,
        facts=facts,
        **(_confusion(findings) if is_classes else _targets(findings)),
    )


def _summarise(findings: _Findings) -> str:
    """How many rows are marked, and what the models say of them."""
    suspect, n = findings.suspect, len(findings.suspect)
    text = f"{suspect.sum():,} of {n:,} rows are marked as suspect."
    if not findings.target.classes:
        half = np.median(findings.audit.scores)
        return f"{text} Half of all targets are within {half:.4g} of their prediction."
    disagree = findings.audit.suggestions != findings.target.y
    return (
        f"{text} The models suggest another {findings.target.column} for "
        f"{(disagree & suspect).sum():,} of them, and for {disagree.sum():,} of all rows."
    )


def _describe_top(findings: _Findings, n_shown: int = 5) -> list[str]:
    """Lines on the least trusted rows."""
    top = findings.audit.order[:n_shown]
    lines = ["least trusted:"]
    for row, name in zip(top, row_names(top, findings.table.ids), strict=True):
        given, suggested, last = _verdict(findings, row)
        what = f"given {given}, suggested {suggested} ({findings.measure} {last})"
        lines.append(f"  row {name}: {what}")
    return lines


def _verdict(findings: _Findings, row: int) -> tuple[str, str, str]:
    """Given and suggested label or target, and probability or residual, as text."""
    target, audit = findings.target, findings.audit
    given, suggested, last = target.y[row], audit.suggestions[row], audit.given[row]
    if target.classes:
        share = f"{last:.3f}" if last >= 0.001 else "< 0.001"
        return target.classes[given], target.classes[suggested], share
    return f"{given:.6g}", f"{suggested:.4g}", f"{last:+.4g}"


def _row(findings: _Findings, row: int, name: str) -> dict[str, Any]:
    """A row of the report with its cells, those of the first columns of many."""
    cells, columns = findings.table.frame.iloc[[row]], findings.table.encoder.columns_
    shown = [(column.name, column.cell_text(cells[column.name])) for column in columns[:_N_CELLS]]
    said = zip(("given", "suggested", findings.measure), _verdict(findings, row), strict=True)
    return {"name": name, **dict(said), "cells": shown}


def _confusion(findings: _Findings) -> dict[str, Any]:
    """Count given by suggested classes among the marked rows."""
    target, suspect = findings.target, findings.suspect
    counts = np.zeros((len(target.classes), len(target.classes)), dtype=int)
    np.add.at(counts, (target.y[suspect], findings.audit.suggestions[suspect]), 1)
    busiest = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[:_N_CLASSES]
    shown = np.sort(busiest)
    part = counts[np.ix_(shown, shown)]
    lines = [(target.classes[k], line) for k, line in zip(shown, part.tolist(), strict=True)]
    shares = {"counts": lines if suspect.any() else [], "n_left_out": counts.sum() - part.sum()}
    return {**shares, "picture_of_targets": None}


def _targets(findings: _Findings) -> dict[str, Any]:
    """Draw given against predicted targets; count on which side the marked ones are."""
    target, audit, suspect = findings.target, findings.audit, findings.suspect
    n_above = int((audit.given[suspect] > 0).sum())
    picture = draw_targets(target.y, audit.predictions, suspect, target.column)
    return {"picture_of_targets": picture, "n_above": n_above, "n_below": suspect.sum() - n_above}
