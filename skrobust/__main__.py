"""Command line: ``python -m skrobust <command>``, or ``skrobust <command>``.

A command is a module with ``DESCRIPTION``, ``add_arguments(parser)`` and ``run(args) -> int``,
imported when it is asked for. For input it cannot use it calls ``args.fail(message)``, which exits
with status 2 and one line. To add a command, write the module and name it in ``_COMMANDS``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

from skrobust import __doc__ as summary
from skrobust import __version__

__all__ = ["main"]

# name: module, line in --help
_COMMANDS = {
    "detect": ("skrobust.cli._detect", "rank the rows of a table, most abnormal first"),
    "score": ("skrobust.cli._score", "score new rows with a model that detect --save wrote"),
    "audit": (
        "skrobust.cli._audit",
        "rank the rows of a table, least trusted label or target first",
    ),
    "screen": ("skrobust.cli._screen", "look for poisoned rows and the mark that they carry"),
    "demo": ("skrobust.demo._command", "try every chapter on bundled data and write a report"),
}


class _Parser(argparse.ArgumentParser):
    """Argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit status: 0; 3 if ``screen`` flags a label; 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With status 2 for arguments or input that cannot be used, with 0 after ``--help``.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _build_parser(argv).parse_args(argv)
    try:
        with _ending_by_signal():
            return args.run(args)
    except KeyboardInterrupt:
        print("skrobust: interrupted", file=sys.stderr)
        return 130


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """End as by ``sys.exit`` when the process is told to end, so that no part of a file is left."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    signals = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    known = {s: signal.getsignal(s) for s in signals if s is not None}
    mine = [number for number, handler in known.items() if handler is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser, with the arguments of the one command that ``argv`` asks for."""
    parser = _Parser(prog="skrobust", description=summary)
    parser.add_argument("--version", action="version", version=f"skrobust {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    asked = next((word for word in argv if not word.startswith("-")), None)
    for name, (path, line) in _COMMANDS.items():
        command = commands.add_parser(name, help=line)
        if name == asked:
            module = import_module(path)
            command.description = module.DESCRIPTION
            module.add_arguments(command)
            command.set_defaults(run=module.run, fail=command.error)
    return parser


if __name__ == "__main__":
    sys.exit(main())
