"""The command ``detect``: train on a table, rank its rows."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skrobust import __version__, estimate_contamination
from skrobust.cli._arguments import positive, rate, seed
from skrobust.cli._columns import (
    ENCODING,
    HOW_READ,
    check_missing,
    encode,
    learn_column,
    widths,
)
from skrobust.cli._detectors import DETECTORS, plan_epochs
from skrobust.cli._errors import InputError, one_line_errors, reason
from skrobust.cli._estimates import describe_estimate, note_on_doubt
from skrobust.cli._finish import Rows, finish
from skrobust.cli._labels import LabelRule, apply_rule, learn_rule
from skrobust.cli._model import Model, judge, typical_errors
from skrobust.cli._model_file import dump_model
from skrobust.cli._notes import count_columns, notes_on_columns
from skrobust.cli._output import check_outputs
from skrobust.cli._streams import say
from skrobust.cli._tables import check_names, read_table

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Train a detector on the rows of a CSV or Parquet file, score each of them, and write the "
    f"scores and a report. {HOW_READ}"
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
    add(
        "--contamination",
        type=rate,
        default="auto",
        metavar="RATE",
        help="share of abnormal rows that you expect, 0 to 0.5 (default: auto, which estimates it "
        "from the scores)",
    )
    add("--detector", choices=tuple(DETECTORS), default="rca", help="method (default: rca)")
    add("--id", metavar="COLUMN", help="column that names rows: copied to the output, not used")
    add("--label", metavar="COLUMN", help="two-valued column to compare scores with, not used")
    add(
        "--abnormal",
        metavar="VALUE",
        help="value of the label column that marks abnormal rows "
        "(default: the larger number, the rarer text)",
    )
    add(
        "--missing",
        choices=("mean",),
        help="fill missing cells: numbers with the mean, text with the levels' frequencies",
    )
    add(
        "--epochs",
        type=positive,
        metavar="N",
        help="passes over the table (default: 200, but 500 to 20,000 steps of 128 rows)",
    )
    add("--random-state", type=seed, default=0, metavar="SEED", help="seed (default: 0)")
    add("--out", type=Path, default=Path("scores.csv"), metavar="CSV", help="default: scores.csv")
    add(
        "--report",
        type=Path,
        default=Path("report.html"),
        metavar="HTML",
        help="default: report.html",
    )
    add("--save", type=Path, metavar="MODEL", help="keep the model for the command score")


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
    outputs = {"--out": args.out, "--report": args.report, "--save": args.save}
    check_outputs(outputs, [args.file])
    rows, rule, notes = _read(args)
    columns = tuple(learn_column(rows.frame[name]) for name in rows.frame)
    if not sum(widths(columns)):
        raise InputError(f"{args.file} has no column to learn from")
    notes += notes_on_columns(columns, rows.frame)
    encoding = f"{len(columns)} columns ({count_columns(columns)}), {sum(widths(columns))} features"
    say(f"{rows.name}: {len(rows.frame):,} rows, {encoding}")
    X = encode(columns, rows.frame)
    detector = _train(args, X)
    share = f"{detector.contamination_:g}"
    if args.contamination == "auto":
        estimate = estimate_contamination(detector.decision_scores_)
        share = describe_estimate(estimate)
        say(f"abnormal rows: {share}")
        notes += note_on_doubt(estimate, "abnormal rows", "--contamination")
    made = {
        "rows": len(X),
        "contamination": detector.contamination_,
        "epochs": len(detector.history_),
        "seed": args.random_state,
        "version": __version__,
    }
    model = Model(
        args.detector,
        detector,
        columns,
        typical_errors(args.detector, detector, X),
        np.sort(detector.decision_scores_),
        detector.threshold_,
        made,
        args.id,
        rule,
    )
    judgement = judge(detector.decision_scores_, model.training_scores, model.threshold)
    facts = _facts(args, model, encoding, share, time.perf_counter() - start)
    more = {} if args.save is None else {args.save: dump_model(model)}
    return finish(args, model, rows, judgement, facts, notes, more)


def _read(args: argparse.Namespace) -> tuple[Rows, LabelRule | None, list[str]]:
    """Read the table and take it apart, or say what cannot be used."""
    table = read_table(args.file, id_column=args.id)
    frame = table.frame
    check_names(args.file, frame, {"--id": args.id, "--label": args.label})
    if args.id is not None and args.id == args.label:
        raise InputError(f"--id and --label are both {args.id!r}")
    if args.abnormal is not None and args.label is None:
        raise InputError("--abnormal needs --label")
    rule = None if args.label is None else learn_rule(frame[args.label], args.abnormal)
    y = None if rule is None else apply_rule(rule, frame[rule.column])
    ids = None if args.id is None else frame[args.id]
    frame = frame.drop(columns=[name for name in (args.id, args.label) if name is not None])
    if len(frame) < 2:
        raise InputError(f"{args.file} has one row; at least two are needed")
    if args.missing is None:
        check_missing(frame, "fill them, or pass --missing mean")
    return Rows(args.file.name, frame, ids, y), rule, table.notes


def _train(args: argparse.Namespace, X: np.ndarray) -> Any:
    detector = DETECTORS[args.detector].build(
        contamination=args.contamination,
        missing=args.missing or "error",
        random_state=args.random_state,
        verbose=1,
    )
    usual, steps = detector.max_epochs, -(-len(X) // detector.batch_size)
    detector.set_params(**plan_epochs(len(X), detector, args.epochs))
    if args.epochs is None and detector.max_epochs < usual:
        say(
            f"training: {detector.max_epochs} epochs of {steps:,} steps instead of {usual}, "
            "as the table is large; --epochs sets another number"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries; what matters is raised
        try:
            return detector.fit(X)
        except (ValueError, FloatingPointError, MemoryError) as error:
            raise InputError(f"cannot train on {args.file}: {reason(error)}") from error


def _facts(
    args: argparse.Namespace, model: Model, encoding: str, share: str, seconds: float
) -> list[tuple[str, str]]:
    steps = len(model.detector.history_) * -(-model.facts["rows"] // model.detector.batch_size)
    unused = [f"{name} (id)" for name in [args.id] if name]
    unused += [f"{name} (label)" for name in [args.label] if name]
    return [
        ("table", f"{args.file.name}: {model.facts['rows']:,} rows, {encoding}"),
        ("not shown to the detector", ", ".join(unused) or "no column was held back"),
        ("encoding", ENCODING),
        ("missing cells", "filled with the column's mean" if args.missing else "none"),
        ("detector", type(model.detector).__name__),
        ("abnormal rows", f"{share}, assumed" if args.contamination != "auto" else share),
        ("training", f"{model.facts['epochs']} epochs, {steps:,} steps, seed {args.random_state}"),
        ("time", f"{seconds:.0f} seconds on {model.detector.device_}"),
    ]
