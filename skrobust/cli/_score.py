"""The command ``score``: judge new rows with a saved model."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust.cli._console import InputError, one_line_errors, say
from skrobust.cli._model import Model, epochs_in_words, load_model, score_in_blocks
from skrobust.cli._output import check_outputs
from skrobust.cli._report import Findings, finish
from skrobust.cli._training import check_missing
from skrobust.tables import read_table
from skrobust.tables._cells import quoted

DESCRIPTION = (
    "Score the rows of a CSV or Parquet file with a saved model. The table needs the columns that "
    "the model was trained on, in any order; its id and label columns are used where they are "
    "there. Cells are read as detect reads them. Reading a model executes nothing that is in it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="file that detect --save wrote")
    add("file", type=Path, metavar="FILE", help="table with a header, CSV (UTF-8) or Parquet")
    add("--out", type=Path, default=Path("scores.csv"), metavar="CSV", help="default: scores.csv")
    add("--report", type=Path, metavar="HTML", help="write a report too")


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    check_outputs({"--out": args.out, "--report": args.report}, [args.model, args.file])
    model = load_model(args.model)
    detector, made = model.detector, model.facts
    frame, ids, y, notes = _read(args, model)
    X = model.encoder.transform(frame)
    say(f"{args.file.name}: {len(frame):,} rows")
    scores = score_in_blocks(detector.decision_function, X)
    if not np.isfinite(scores).all():
        raise InputError(
            f"{args.model} gives scores that are not finite: its weights are too large"
        )
    trained = epochs_in_words(made["epochs"])
    facts = [
        ("table", f"{args.file.name}: {len(scores):,} rows"),
        ("model", f"{args.model.name}, made by skrobust {made['version']}"),
        ("detector", type(detector).__name__),
        ("trained on", f"{made['rows']:,} rows, {trained}, seed {made['seed']}"),
        ("contamination", f"{made['contamination']:.3g}"),
        ("time", f"{time.perf_counter() - start:.0f} seconds on {detector.device_}"),
    ]
    return finish(args, Findings(model, scores, frame, ids, y), facts, notes, {})


def _read(
    args: argparse.Namespace, model: Model
) -> tuple[pd.DataFrame, pd.Series | None, np.ndarray | None, list[str]]:
    """The model's columns in its order, ids, labels and notes; refuses other tables."""
    names = [column.name for column in model.columns]
    text = [column.name for column in model.columns if column.kind == "categorical"]
    table = read_table(args.file, text, model.id_column)
    frame, notes, rule = table.frame, table.notes, model.label
    y, labels = None, frame.get(rule and rule.column)
    if labels is not None and labels.isna().all():
        notes = [*notes, f"{labels.name}: all cells are missing; no labels to compare with"]
    elif rule and labels is not None:
        y = rule.apply(labels)
    lacking = [name for name in names if name not in frame]
    if lacking:
        raise InputError(f"{args.file} lacks columns of the model: {quoted(lacking)}")
    held_back = [model.id_column, rule and rule.column]
    extra = [name for name in frame if name not in (*names, *held_back)]
    if extra:
        raise InputError(f"{args.file} has columns that the model does not know: {quoted(extra)}")
    if model.detector.missing == "error":
        used = [column.name for column in model.columns if column.width]
        check_missing(frame[used], "the model was trained without --missing mean")
    return frame[names], frame.get(model.id_column), y, notes
