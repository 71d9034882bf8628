"""Old names of what is now in ``skrobust._html`` and ``skrobust.plotting._style``."""

from html import escape
from pathlib import Path

from skrobust import _html
from skrobust.plotting._style import ANOMALY, NORMAL

__all__ = ["ANOMALY", "NORMAL", "STYLE", "picture", "versions"]

_BASE = Path(_html.__file__).parent / "templates" / "base.html"
STYLE = _BASE.read_text(encoding="utf-8").partition("<style>\n")[2].partition("\n{%")[0]


def picture(png: bytes, caption: str, alt: str) -> str:
    """Embed a picture under its caption, if it has one."""
    title = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure>{title}<img src="{_html._data_uri(png)}" alt="{escape(alt)}"></figure>'


def versions() -> str:
    """Name packages with versions, escaped."""
    return escape(_html.versions())
