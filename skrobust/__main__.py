"""Command line: ``python -m skrobust <command>``, or ``skrobust <command>``.

A command is a module with ``NAME``, ``HELP``, ``DESCRIPTION``, ``add_arguments(parser)`` and
``run(args) -> int``. For input it cannot use it calls ``args.fail(message)``, which exits with
status 2 and one line. To add a command, write the module and name it in ``_COMMANDS``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from skrobust import __doc__ as summary
from skrobust import __version__

__all__ = ["main"]

_COMMANDS = (
    "skrobust.cli._detect",
    "skrobust.cli._score",
    "skrobust.cli._audit",
    "skrobust.demo._command",
)


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
        Exit status: 0, or 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With status 2 for arguments or input that cannot be used, with 0 after ``--help``.
    """
    args = _build_parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("skrobust: interrupted", file=sys.stderr)
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="skrobust", description=summary)
    parser.add_argument("--version", action="version", version=f"skrobust {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for name in _COMMANDS:
        module = import_module(name)
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.DESCRIPTION)
        module.add_arguments(command)
        command.set_defaults(run=module.run, fail=command.error)
    return parser


if __name__ == "__main__":
    sys.exit(main())
