"""Printing that never ends a command: its results are the files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

__all__ = ["forgiving_streams", "say"]


def say(*lines: str) -> None:
    """Print lines that are not empty."""
    sys.stdout.writelines(f"{line}\n" for line in lines if line)
    sys.stdout.flush()


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Drop what stdout and stderr cannot take: closed, without a reader, or on a full disk."""
    stdout: Any = _Forgiving(sys.stdout)
    stderr: Any = _Forgiving(sys.stderr)
    with redirect_stdout(stdout), redirect_stderr(stderr):
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
        if self._stream is None or self._stream.closed:
            return
        try:
            getattr(self._stream, method)(*args)
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Send the rest nowhere, what Python still holds and writes at its exit too."""
        with suppress(OSError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
