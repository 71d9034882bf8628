"""The terminal: arguments, errors of one line, and printing that never ends a command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

from skrobust.io import ModelFileError
from skrobust.tables import TableError


class InputError(ValueError):
    """What the user gave cannot be used; the message is the line that says why."""


def one_line_errors(run: Callable[[argparse.Namespace], int]) -> Callable:
    """Let a command end with status 2 and one line where its input cannot be used."""

    @wraps(run)
    def guarded(args: argparse.Namespace) -> int:
        try:
            with forgiving_streams():
                return run(args)
        except (InputError, ModelFileError, TableError) as error:
            return args.fail(str(error))

    return guarded


def say(*lines: str) -> None:
    """Print lines that are not empty."""
    sys.stdout.writelines(f"{line}\n" for line in lines if line)
    sys.stdout.flush()


def add_rate(parser: argparse.ArgumentParser, option: str, text: str) -> None:
    """Declare the option of the share of bad rows."""
    parser.add_argument(option, type=_rate, default="auto", metavar="RATE", help=text)


def add_training_arguments(
    parser: argparse.ArgumentParser, length: str, out: str, report: str
) -> None:
    """Declare what commands that train share."""
    add = parser.add_argument
    add("--id", metavar="COLUMN", help="column that names rows: copied to the output, not used")
    missing = "fill missing cells: numbers with the mean, text with the levels' frequencies"
    add("--missing", choices=("mean",), help=missing)
    positive, seed = partial(whole, 1, 2**31 - 1), partial(whole, 0, 2**32 - 1)
    add("--epochs", type=positive, metavar="N", help=f"passes over the table {length}")
    add("--random-state", type=seed, default=0, metavar="SEED", help="seed (default: 0)")
    add("--out", type=Path, default=Path(out), metavar="CSV", help=f"default: {out}")
    add("--report", type=Path, default=Path(report), metavar="HTML", help=f"default: {report}")


def whole(least: int, most: int, text: str) -> int:
    """Type of an argument that is a whole number in a range."""
    return within(int, least, most, f"a whole number from {least} to {most}", text)


def _rate(text: str) -> float | str:
    if text == "auto":
        return text
    return within(float, 0, 0.5, "a number from 0 to 0.5 or auto", text)


def within(kind: Callable[[str], Any], least: float, most: float, what: str, text: str) -> Any:
    """Turn an argument into a number in a range; ``what`` says what is expected."""
    with suppress(ValueError):
        if least <= (number := kind(text)) <= most:
            return number
    raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}")


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Drop what stdout and stderr cannot take: closed, without a reader, or on a full disk."""
    streams: Any = _Forgiving(sys.stdout), _Forgiving(sys.stderr)
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        yield


class _Forgiving:
    """A stream, or None, that can be written to. Characters it lacks are written as escapes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        known = text.encode(encoding, "backslashreplace").decode(encoding)
        self._attempt("write", known)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._attempt("flush")

    def _attempt(self, method: str, *args: str) -> None:
        """Where it fails, send the rest nowhere, what Python writes at its exit too."""
        if self._stream is None or self._stream.closed:
            return
        try:
            getattr(self._stream, method)(*args)
        except OSError:
            with suppress(OSError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
