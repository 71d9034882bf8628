"""Parts of a page that needs nothing but itself."""

from __future__ import annotations

import platform
from base64 import b64encode
from html import escape
from importlib.metadata import version

from skrobust import __version__

__all__ = ["STYLE", "picture", "versions"]

_PACKAGES = ("torch", "scikit-learn", "skorch", "pyod", "numpy")


def picture(png: bytes, caption: str, alt: str) -> str:
    """Embed a picture under its caption, if it has one."""
    source = "data:image/png;base64," + b64encode(png).decode("ascii")
    title = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure>{title}<img src="{source}" alt="{escape(alt)}"></figure>'


def versions() -> str:
    """Name the package, Python and the packages that results depend on, with versions."""
    names = [f"skrobust {__version__}", f"Python {platform.python_version()}"]
    # A local part such as +cpu names the build, not the version.
    names += [f"{name} {version(name).partition('+')[0]}" for name in _PACKAGES]
    return escape(", ".join(names))


STYLE = """:root { color-scheme: light; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
ul { padding-left: 1.2rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
th[scope=row] { font-weight: normal; }
thead th { border-bottom: 2px solid #222; }
tbody tr { border-bottom: 1px solid #ccc; }
.row { display: grid; gap: 1rem; margin-top: .8rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: 0; break-inside: avoid; }
figcaption { font-weight: 600; }
img { width: 100%; height: auto; display: block; }
.note { border-left: 4px solid #e69f00; padding-left: .8rem; }
footer { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: .5rem;
  font-size: .875rem; overflow-wrap: anywhere; }
@media print { html { font-size: 10.5px; } body { max-width: none; padding: 0; }
  h2, h2 + p { break-after: avoid; }
  .row { grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); }
  .scroll { overflow: visible; } }"""
