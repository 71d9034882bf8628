"""Files that commands leave, written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from skrobust._files import beside, write_whole
from skrobust.cli._console import InputError
from skrobust.tables._read import reason


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> None:
    """Refuse files, by option, that cannot be written or would replace others, before training."""
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


def write_all(contents: Mapping[Path, bytes], model: Mapping[Path, bytes] | None = None) -> None:
    """Write the model first, and then all other files or none."""
    try:
        write_whole(model or {})
    except OSError as error:
        raise InputError(f"cannot write {_names(model or {})}: {reason(error)}") from error
    try:
        write_whole(contents)
    except OSError as error:
        kept = f"; the model is in {_names(model)}" if model else ""
        raise InputError(f"cannot write {_names(contents)}: {reason(error)}{kept}") from error


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))


def _fault(path: Path) -> str:
    """Why a file cannot be written, empty if it can; OSError may say the same."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            return "it is not a regular file"
        if not os.access(path, os.W_OK):
            return "it is write-protected"
    trial = beside(path)
    trial.touch(exist_ok=False)
    trial.unlink()
    return ""


def table_csv(frame: pd.DataFrame, ids: pd.Series | None) -> bytes:
    """A table, with the names of its rows in front; their column is ``id`` if its name is taken."""
    if ids is not None:
        name = str(ids.name)
        frame.insert(0, "id" if name in frame else name, ids.to_numpy())
    return as_bytes(frame.to_csv(index=False, lineterminator="\n"))


def as_bytes(text: str) -> bytes:
    """Text as UTF-8; halves of characters, which names of files may hold, become escapes."""
    return text.encode("utf-8", "backslashreplace")
