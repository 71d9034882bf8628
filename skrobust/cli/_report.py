"""What ``detect`` and ``score`` leave: scores, a report, and lines in the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skrobust._html import render
from skrobust.cli._console import say
from skrobust.cli._model import Model, column_shares, explain
from skrobust.cli._output import as_bytes, table_csv, write_all
from skrobust.cli._pictures import draw_columns, draw_scores

_N_SHOWN, _N_PRINTED = 20, 5
_N_SHARES = 1_000


@dataclass
class Findings:
    """What a model says of each row of a table, in the order of the file, and why."""

    model: Model
    scores: np.ndarray
    frame: pd.DataFrame
    ids: pd.Series | None
    y: np.ndarray | None  # 1 for rows labelled abnormal

    def __post_init__(self) -> None:
        detector = self.model.detector
        self.order = np.argsort(-self.scores, kind="stable")  # most abnormal first; ties by row
        self.reported = self.scores > detector.threshold_
        # PyOD's linear one: the place in the range of the training scores.
        low, high = detector.decision_scores_.min(), detector.decision_scores_.max()
        self.probability = np.clip((self.scores - low) / ((high - low) or 1.0), 0.0, 1.0)
        top = self.order[:_N_SHOWN]
        self.names = row_names(top, self.ids)
        self.causes = explain(self.model, self.frame.iloc[top])
        most = self.order[: max(1, min(int(self.reported.sum()), _N_SHARES))]
        self.shares = column_shares(self.model, self.frame.iloc[most]).mean(axis=0)

    @property
    def summary(self) -> str:
        """How many rows are reported."""
        n, threshold = len(self.scores), self.model.detector.threshold_
        return f"{self.reported.sum():,} of {n:,} rows score above the threshold {threshold:.4g}"


def finish(
    args: argparse.Namespace,
    found: Findings,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    more: Mapping[Path, bytes],
) -> int:
    """Write scores, report and the files in ``more``, print the result; returns the status."""
    evaluation, scores = "", found.scores
    if found.y is not None and found.model.label is not None:
        evaluation = found.model.label.evaluate(found.y, scores)
        if not evaluation:
            notes = [*notes, "all rows have one label: nothing to compare the scores with"]
    columns = {
        "row": range(1, len(scores) + 1),
        "score": scores,
        "probability": found.probability,
        "label": found.reported.astype(int),
        "rank": np.argsort(found.order) + 1,
    }
    contents = {args.out: table_csv(pd.DataFrame(columns), found.ids)}
    if args.report is not None:
        about = {"name": args.file.name, "evaluation": evaluation, "facts": facts, "notes": notes}
        contents[args.report] = as_bytes(_build_report(found, about))
    write_all(contents, more)
    say(*(f"note: {note}" for note in notes), found.summary, "most abnormal:")
    for name, causes in list(zip(found.names, found.causes, strict=True))[:_N_PRINTED]:
        why = [": {column} {value} (typical {typical})".format(**cause) for cause in causes[:1]]
        say(f"  row {name}{''.join(why)}")
    say(evaluation, f"wrote {', '.join(map(str, [*contents, *more]))}")
    return 0


def row_names(places: np.ndarray, ids: pd.Series | None) -> list[str]:
    """Numbers of rows, counted from 1, and their ids where there are some."""
    return [f"{row + 1}" if ids is None else f"{row + 1} ({ids.iloc[row]})" for row in places]


def _build_report(found: Findings, about: Mapping[str, Any]) -> str:
    """Write the page; ``about`` are the table's name and what to say besides."""
    model, y, summary = found.model, found.y, f"{found.summary}."
    if y is not None:
        hits = int(y[found.reported].sum())
        summary += f" {hits:,} of them are labelled abnormal, of {int(y.sum()):,} in all."
    return render(
        "detect.html",
        heading="Abnormal rows",
        summary=summary,
        scores=draw_scores(found.scores, model.detector.threshold_, y),
        columns=draw_columns([column.name for column in model.columns], found.shares),
        id_column=model.id_column,
        measures=["score", "probability", *["label"] * (y is not None)],
        rows=[_row(found, place) for place in range(len(found.names))],
        rate=model.facts["contamination"],
        **about,
    )


def _row(found: Findings, place: int) -> dict[str, Any]:
    row = found.order[place]
    return {
        "name": found.names[place],
        "score": f"{found.scores[row]:.4g}",
        "probability": f"{found.probability[row]:.3f}",
        "label": "" if found.y is None else "abnormal" if found.y[row] else "normal",
        "causes": found.causes[place],
    }
