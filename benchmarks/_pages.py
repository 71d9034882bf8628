"""Pages that need nothing but themselves, from templates that lie beside the code that fills them.

A template extends ``page.html``, which has the style and says what rendered the page.
"""

from __future__ import annotations

import platform
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks._results import machine, provenance

__all__ = ["embedded", "render"]

_SHARED = Path(__file__).parent / "templates"
_PACKAGES = ("skrobust", "torch", "scikit-learn", "skorch", "pyod", "numpy")


def render(template: Path, **values: object) -> str:
    """Fill a template; text in the values is escaped.

    Parameters
    ----------
    template : Path
        The file.
    **values
        What it names.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    origin = f"{_versions()}, commit {provenance()['commit'] or 'unknown'}, on {machine()}"
    return environment.get_template(template.name).render(rendered_by=origin, **values)


def embedded(png: Path) -> str:
    """Address of a picture that carries the picture; empty if there is no such file."""
    if not png.exists():
        return ""
    return "data:image/png;base64," + b64encode(png.read_bytes()).decode("ascii")


def _versions() -> str:
    # A local part such as +cpu names the build, not the version.
    packages = (f"{name} {version(name).partition('+')[0]}" for name in _PACKAGES)
    return ", ".join([f"Python {platform.python_version()}", *packages])
