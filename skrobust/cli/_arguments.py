"""Types of command-line arguments; their errors are argparse's one line."""

from __future__ import annotations

import argparse

__all__ = ["folds", "positive", "rate", "seed"]


def folds(text: str) -> int:
    """A whole number of at least 2."""
    return _whole(text, 2, 2**31 - 1)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1, 2**31 - 1)


def seed(text: str) -> int:
    """A whole number from 0 to 2**32 - 1."""
    return _whole(text, 0, 2**32 - 1)


def rate(text: str) -> float | str:
    """A number from 0 to 0.5, or "auto"."""
    if text == "auto":
        return text
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 0.5 or auto, got {text!r}")
    return number


def _whole(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from {least} to {most}, got {text!r}"
        )
    return number
