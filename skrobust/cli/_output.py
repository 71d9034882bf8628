"""What commands leave: files, written whole or not at all, and a summary."""

from __future__ import annotations

import argparse
import os
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust.cli._console import InputError, say
from skrobust.cli._label_column import evaluate
from skrobust.cli._model import Judgement, Model
from skrobust.cli._report import Findings, build_report, describe_evaluation, find
from skrobust.tables._read import reason

__all__ = ["as_bytes", "check_outputs", "finish", "table_csv", "write_all"]


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> None:
    """Refuse outputs that cannot be written, before hours of training.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        Option and file; None is not asked for.
    inputs : iterable of Path
        Files that no output may replace.

    Raises
    ------
    InputError
        If a folder does not exist or takes no new file, if the path is no regular file or
        write-protected, or if it is one of the inputs or of the other outputs.
    """
    taken = {os.path.realpath(path) for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        try:
            fault = _fault(path)
        except (OSError, ValueError) as error:
            fault = reason(error)
        if fault:
            raise InputError(f"{option} {path}: {fault}")
        place = os.path.realpath(path)
        if place in taken:
            raise InputError(f"{option} {path} would replace another file of this command")
        taken.add(place)


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, then move them there.

    Raises
    ------
    InputError
        If a file cannot be written; none is left behind then.
    """
    parts = {path: _beside(path) for path in contents}
    try:
        for path, part in parts.items():
            part.write_bytes(contents[path])
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _fault(path: Path) -> str:
    """Why a file cannot be written, empty if it can; OSError may say the same."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            return "it is not a regular file"
        if not os.access(path, os.W_OK):
            return "it is write-protected"
    trial = _beside(path)
    trial.touch(exist_ok=False)
    trial.unlink()
    return ""


def _beside(path: Path) -> Path:
    """A new file in the same folder; its name is short, as that of the path may be the longest."""
    return path.with_name(f".{secrets.token_hex(8)}.part")


def table_csv(frame: pd.DataFrame, ids: pd.Series | None) -> bytes:
    """A table, with the names of its rows in front; their column is ``id`` if its name is taken."""
    if ids is not None:
        name = str(ids.name)
        frame.insert(0, "id" if name in frame else name, ids.to_numpy())
    return as_bytes(frame.to_csv(index=False, lineterminator="\n"))


def as_bytes(text: str) -> bytes:
    """Text as UTF-8; halves of characters, which names of files may hold, become escapes."""
    return text.encode("utf-8", "backslashreplace")


def finish(
    args: argparse.Namespace,
    model: Model,
    judgement: Judgement,
    frame: pd.DataFrame,
    ids: pd.Series | None,
    y: np.ndarray | None,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    more: Mapping[Path, bytes],
) -> int:
    """Write scores, report and the files in ``more``, print the result; returns the status."""
    evaluation = None if y is None else evaluate(y, judgement.scores)
    if y is not None and evaluation is None:
        notes = [*notes, "all rows have one label: nothing to compare the scores with"]
    findings = find(args.file.name, model, judgement, frame, ids, y, evaluation)
    scores = pd.DataFrame(
        {
            "row": range(1, len(judgement.scores) + 1),
            "score": judgement.scores,
            "probability": judgement.probability,
            "label": judgement.labels,
            "rank": judgement.rank,
        }
    )
    contents = {args.out: table_csv(scores, ids)}
    if args.report is not None:
        contents[args.report] = as_bytes(build_report(findings, facts, notes))
    write_all({**contents, **more})
    say(*(f"note: {note}" for note in notes))
    n, n_reported = len(judgement.scores), int(judgement.labels.sum())
    say(f"{n_reported:,} of {n:,} rows score above the threshold {model.threshold:.4g}")
    say(*_top(findings), describe_evaluation(model, evaluation))
    say("wrote " + ", ".join(map(str, [*contents, *more])))
    return 0


def _top(findings: Findings, n_shown: int = 5) -> list[str]:
    """The most abnormal rows, each with its first column."""
    lines = ["most abnormal:"]
    for name, causes in list(zip(findings.names, findings.causes, strict=True))[:n_shown]:
        why = "".join(f": {c.column} {c.value} (typical {c.typical})" for c in causes[:1])
        lines.append(f"  row {name}{why}")
    return lines
