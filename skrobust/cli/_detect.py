"""The command ``detect``: train on a table, rank its rows."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import skrobust
from skrobust.cli._console import (
    InputError,
    add_rate,
    add_training_arguments,
    one_line_errors,
    say,
)
from skrobust.cli._model import (
    DETECTORS,
    ENSEMBLE,
    LabelRule,
    Model,
    epochs_in_words,
    score_in_blocks,
    typical_errors,
)
from skrobust.cli._output import check_outputs
from skrobust.cli._report import Findings, finish
from skrobust.cli._training import HOW_READ, TrainingTable, plan_epochs, train

DESCRIPTION = (
    "Train a detector on the rows of a CSV or Parquet file, score each of them, and write the "
    f"scores and a report. {HOW_READ}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="table with a header, CSV (UTF-8) or Parquet")
    add(
        "--detector",
        choices=tuple(DETECTORS),
        default=ENSEMBLE,
        help=f"method (default: {ENSEMBLE}, which combines the other two with simpler ones)",
    )
    add("--label", metavar="COLUMN", help="two-valued column to compare scores with, not used")
    add(
        "--abnormal",
        metavar="VALUE",
        help="value of the label column that marks abnormal rows "
        "(default: the larger number, the rarer text)",
    )
    add_rate(
        parser,
        "--contamination",
        "share of abnormal rows that you expect, 0 to 0.5 (default: auto, which estimates it from "
        "the scores)",
    )
    add_training_arguments(
        parser,
        f"(not with the {ENSEMBLE}; default: 200, but 500 to 20,000 steps of 128 rows)",
        "scores.csv",
        "report.html",
    )
    add("--save", type=Path, metavar="MODEL", help="keep the model for the command score")


@one_line_errors
def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    start = time.perf_counter()
    outputs = {"--out": args.out, "--report": args.report, "--save": args.save}
    check_outputs(outputs, [args.file])
    if args.detector == ENSEMBLE and args.epochs is not None:
        raise InputError(
            "--epochs needs --detector rca or realnvp: the ensemble's members train as long as "
            "they need"
        )
    table = TrainingTable(args, "--label", args.label)
    labels = table.column
    if labels is None and args.abnormal is not None:
        raise InputError("--abnormal needs --label")
    rule = None if labels is None else LabelRule.learn(labels, args.abnormal)
    y = None if rule is None else rule.apply(labels)
    if len(table.frame) < 2:
        raise InputError(f"{args.file} has one row; at least two are needed")
    X = table.encode()
    detector = _fit(args, X)
    share = f"{detector.contamination_:g}, assumed"
    if args.contamination == "auto":
        estimate = skrobust.estimate_contamination(
            detector.decision_scores_,
            n_features=detector.n_features_in_,
            training_rate=detector.training_rate,
        )
        share = table.describe(estimate, "abnormal rows", "--contamination")
    made = {
        "rows": len(X),
        "contamination": detector.contamination_,
        "epochs": _epochs(detector),
        "seed": args.random_state,
        "version": skrobust.__version__,
    }
    model = Model(table.encoder, detector, typical_errors(detector, X), made, args.id, rule)
    held_back = [f"{n} ({what})" for n, what in ((args.id, "id"), (args.label, "label")) if n]
    facts = [
        *table.facts("detector", held_back),
        ("detector", _described(detector)),
        ("abnormal rows", share),
        ("training", f"{_length(detector, len(X))}, seed {args.random_state}"),
        ("time", f"{time.perf_counter() - start:.0f} seconds on {detector.device_}"),
    ]
    saved = {} if args.save is None else {args.save: model.dump()}
    found = Findings(model, detector.decision_scores_, table.frame, table.ids, y)
    return finish(args, found, facts, table.notes, saved)


def _fit(args: argparse.Namespace, X: np.ndarray) -> Any:
    detector: Any = getattr(skrobust, DETECTORS[args.detector])(
        contamination=args.contamination,
        missing=args.missing or "error",
        random_state=args.random_state,
        verbose=1,
    )
    if args.detector == ENSEMBLE:
        train(args, detector.fit, X)
    else:
        _fit_network(args, detector, X)
    return detector.set_params(verbose=0)


def _fit_network(args: argparse.Namespace, detector: Any, X: np.ndarray) -> None:
    """Train a detector that is one network, or one stack of them, as long as is asked for."""
    steps = -(-len(X) // detector.batch_size)
    detector.set_params(preprocessing=None)  # the columns are scaled already
    detector.set_params(**plan_epochs(len(X), detector, args.epochs))
    if args.epochs is None and detector.max_epochs is not None:
        say(
            f"training: {detector.max_epochs} epochs of {steps:,} steps instead of "
            f"{detector.usual_epochs}, as the table is large; --epochs sets another number"
        )
    score = detector._score
    detector._score = lambda rows: score_in_blocks(score, rows)
    train(args, detector.fit, X)
    del detector._score


def _trained(detector: Any) -> dict[str, Any]:
    """Members of an ensemble that were trained in epochs."""
    return {name: one for name, one in detector.members_ if hasattr(one, "history_")}


def _epochs(detector: Any) -> int | dict[str, int]:
    if hasattr(detector, "members_"):
        return {name: len(one.history_) for name, one in _trained(detector).items()}
    return len(detector.history_)


def _length(detector: Any, n_rows: int) -> str:
    """Epochs and steps in words."""
    parts = _trained(detector).values() if hasattr(detector, "members_") else [detector]
    steps = sum(len(one.history_) * -(-n_rows // one.batch_size) for one in parts)
    return f"{epochs_in_words(_epochs(detector))}, {steps:,} steps"


def _described(detector: Any) -> str:
    """The class, and the weights of an ensemble's members."""
    name = type(detector).__name__
    if not hasattr(detector, "members_"):
        return name
    pairs = zip(detector.members_, detector.weights_, strict=True)
    return (
        f"{name} ({', '.join(f'{member} {100 * weight:.0f} %' for (member, _), weight in pairs)})"
    )
