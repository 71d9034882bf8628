"""The end that both commands share: compare with labels, write the files, print."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust.cli._labels import evaluate
from skrobust.cli._model import Judgement, Model
from skrobust.cli._output import as_bytes, scores_csv, write_all
from skrobust.cli._report import Findings, build_report, describe_evaluation, find
from skrobust.cli._streams import say

__all__ = ["Rows", "finish"]


@dataclass(frozen=True)
class Rows:
    """A table, taken apart.

    Attributes
    ----------
    name : str
        Of the file.
    frame : DataFrame
        The columns that are used.
    ids : Series or None
        Names of the rows.
    y : array of shape (n,), int, or None
        1 for rows labelled abnormal.
    """

    name: str
    frame: pd.DataFrame
    ids: pd.Series | None
    y: np.ndarray | None


def finish(
    args: argparse.Namespace,
    model: Model,
    rows: Rows,
    judgement: Judgement,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    more: Mapping[Path, bytes],
) -> int:
    """Write scores, report and the files in ``more``, print the result; returns the status."""
    evaluation = None if rows.y is None else evaluate(rows.y, judgement.scores)
    if rows.y is not None and evaluation is None:
        notes = [*notes, "all rows have one label: nothing to compare the scores with"]
    findings = find(rows.name, model, judgement, rows.frame, rows.ids, rows.y, evaluation)
    contents = {args.out: scores_csv(judgement, rows.ids)}
    if args.report is not None:
        contents[args.report] = as_bytes(build_report(findings, facts, notes))
    write_all({**contents, **more})
    say(*(f"note: {note}" for note in notes))
    say(_reported(findings), *_top(findings), describe_evaluation(model, evaluation))
    say("wrote " + ", ".join(map(str, [*contents, *more])))
    return 0


def _reported(findings: Findings) -> str:
    n, n_reported = len(findings.judgement.scores), int(findings.judgement.labels.sum())
    return f"{n_reported:,} of {n:,} rows score above the threshold {findings.model.threshold:.4g}"


def _top(findings: Findings, n_shown: int = 5) -> list[str]:
    """The most abnormal rows, each with its first column."""
    lines = ["most abnormal:"]
    for name, causes in list(zip(findings.names, findings.causes, strict=True))[:n_shown]:
        why = "".join(f": {c.column} {c.value} (typical {c.typical})" for c in causes[:1])
        lines.append(f"  row {name}{why}")
    return lines
