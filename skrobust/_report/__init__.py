"""What all reports share: self-contained HTML, and pictures without a display."""

from skrobust._report._figure import ANOMALY, GREY, NORMAL, WHITE, new_figure, open_frame, to_png
from skrobust._report._html import STYLE, picture, versions

__all__ = [
    "ANOMALY",
    "GREY",
    "NORMAL",
    "STYLE",
    "WHITE",
    "new_figure",
    "open_frame",
    "picture",
    "to_png",
    "versions",
]
