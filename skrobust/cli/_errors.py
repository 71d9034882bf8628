"""Input that cannot be used ends a command with one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from skrobust.cli._streams import forgiving_streams

__all__ = ["InputError", "check_readable", "one_line_errors", "reason"]


class InputError(ValueError):
    """What the user gave cannot be used; the message is the line that says why."""


def check_readable(path: Path) -> None:
    """Refuse pipes and devices: a file is read more than once.

    Raises
    ------
    InputError
        If the path is neither a file nor a folder (opening that says what is wrong).
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is not a regular file")


def one_line_errors(run: Callable[[argparse.Namespace], int]) -> Callable:
    """Make a command's ``run`` end with status 2 and one line where it raises InputError.

    What it prints may find no reader.
    """

    @wraps(run)
    def guarded(args: argparse.Namespace) -> int:
        try:
            with forgiving_streams():
                return run(args)
        except InputError as error:
            return args.fail(str(error))

    return guarded


def reason(error: Exception) -> str:
    """First line of an error's message, or what kind it is."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().split("\n")[0] or type(error).__name__
