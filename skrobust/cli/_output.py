"""Write files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from skrobust.cli._errors import InputError, reason
from skrobust.cli._model import Judgement

__all__ = ["as_bytes", "check_outputs", "scores_csv", "write_all"]


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
        If a folder does not exist or cannot be written to, if the path is no regular file, or if
        it is one of the inputs or of the other outputs.
    """
    taken = {path.resolve() for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        if not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise InputError(f"{option} {path} is not a regular file")
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"{option} {path}: the folder cannot be written to")
        if path.resolve() in taken:
            raise InputError(f"{option} {path} would replace another file of this command")
        taken.add(path.resolve())


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, then move them there.

    Raises
    ------
    InputError
        If a file cannot be written; none is left behind then.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    try:
        for path, part in parts.items():
            part.write_bytes(contents[path])
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {error.filename}: {reason(error)}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def scores_csv(judgement: Judgement, ids: pd.Series | None) -> bytes:
    """One line per row of the table, in its order."""
    columns = {
        "row": range(1, len(judgement.scores) + 1),
        "score": judgement.scores,
        "probability": judgement.probability,
        "label": judgement.labels,
        "rank": judgement.rank,
    }
    frame = pd.DataFrame(columns)
    if ids is not None:
        name = str(ids.name)
        frame.insert(0, "id" if name in columns else name, ids.to_numpy())
    return as_bytes(frame.to_csv(index=False, lineterminator="\n"))


def as_bytes(text: str) -> bytes:
    """Text as UTF-8; halves of characters, which names of files may hold, become escapes."""
    return text.encode("utf-8", "backslashreplace")
