"""Displays as PNG bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skrobust._report import new_figure, to_png

__all__ = ["show"]


def show(draw: Callable[[Any], object], width: float = 4.6, height: float = 3.4) -> bytes:
    """Let a function draw on axes; sizes in inches.

    Parameters
    ----------
    draw : callable
        Takes the axes.
    width, height : float
        Of the picture.
    """
    figure = new_figure(width, height)
    draw(figure.subplots())
    return to_png(figure)
