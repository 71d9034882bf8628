"""The command ``score``: judge new rows with a saved model."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust.cli._columns import check_missing, check_numbers
from skrobust.cli._errors import InputError, one_line_errors
from skrobust.cli._finish import Rows, finish
from skrobust.cli._labels import apply_rule
from skrobust.cli._model import Model, judge, score_table
from skrobust.cli._model_file import load_model
from skrobust.cli._output import check_outputs
from skrobust.cli._streams import say
from skrobust.cli._tables import quoted, read_table

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Score the rows of a CSV or Parquet file with a saved model. The table needs the columns that "
    "the model was trained on, in any order; its id and label columns are used where they are "
    "there. Cells are read as detect reads them. Reading a model executes nothing that is in it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command's own parser.
    """
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="file that detect --save wrote")
    add("file", type=Path, metavar="FILE", help="table with a header, CSV (UTF-8) or Parquet")
    add("--out", type=Path, default=Path("scores.csv"), metavar="CSV", help="default: scores.csv")
    add("--report", type=Path, metavar="HTML", help="write a report too")


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
    check_outputs({"--out": args.out, "--report": args.report}, [args.model, args.file])
    model = load_model(args.model)
    rows, notes = _read(args, model)
    say(f"{rows.name}: {len(rows.frame):,} rows")
    scores = score_table(model, rows.frame)
    if not np.isfinite(scores).all():
        raise InputError(
            f"{args.model} gives scores that are not finite: its weights are too large"
        )
    judgement = judge(scores, model.training_scores, model.threshold)
    facts = _facts(args, model, len(scores), time.perf_counter() - start)
    return finish(args, model, rows, judgement, facts, notes, {})


def _read(args: argparse.Namespace, model: Model) -> tuple[Rows, list[str]]:
    """Read the table and take it apart, or say how it differs from the training table."""
    text = [column.name for column in model.columns if column.kind == "categorical"]
    table = read_table(args.file, text, model.id_column)
    frame, rule = table.frame, model.label
    ids = frame.get(model.id_column)
    y, notes = None, table.notes
    if rule and rule.column in frame:
        labels = frame[rule.column]
        if labels.isna().all():
            notes = [*notes, f"{rule.column}: all cells are missing; no labels to compare with"]
        else:
            y = apply_rule(rule, labels)
    return Rows(args.file.name, _matching(args, model, frame), ids, y), notes


def _matching(args: argparse.Namespace, model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """The model's columns, in its order."""
    names = [column.name for column in model.columns]
    held_back = [model.id_column, model.label and model.label.column]
    lacking = [column.name for column in model.columns if column.name not in frame]
    extra = [name for name in frame if name not in names and name not in held_back]
    if lacking:
        raise InputError(f"{args.file} lacks columns of the model: {quoted(lacking)}")
    if extra:
        raise InputError(f"{args.file} has columns that the model does not know: {quoted(extra)}")
    used = [column.name for column in model.columns if column.width]
    if model.detector.missing == "error":
        check_missing(frame[used], "the model was trained without --missing mean")
    check_numbers(model.columns, frame)
    return frame[names]


def _facts(
    args: argparse.Namespace, model: Model, n_rows: int, seconds: float
) -> list[tuple[str, str]]:
    made = model.facts
    return [
        ("table", f"{args.file.name}: {n_rows:,} rows"),
        ("model", f"{args.model.name}, made by skrobust {made['version']}"),
        ("trained on", f"{made['rows']:,} rows, {made['epochs']} epochs, seed {made['seed']}"),
        ("contamination", f"{made['contamination']:.3g}"),
        ("time", f"{seconds:.0f} seconds on {model.detector.device_}"),
    ]
