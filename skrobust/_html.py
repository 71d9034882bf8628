"""Pages that need nothing but themselves, from the templates beside this module."""

from __future__ import annotations

import platform
from base64 import b64encode
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from skrobust import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render", "versions"]

_PACKAGES = ("torch", "scikit-learn", "skorch", "pyod", "numpy")


def render(template: str, **values: Any) -> str:
    """Fill a template of ``skrobust/templates``; all text is escaped, a missing value raises."""
    return _environment().get_template(template).render(values, versions=versions())


def versions() -> str:
    """Name the package, Python and the packages that results depend on, with versions."""
    names = [f"skrobust {__version__}", f"Python {platform.python_version()}"]
    # A local part such as +cpu names the build, not the version.
    names += [f"{name} {version(name).partition('+')[0]}" for name in _PACKAGES]
    return ", ".join(names)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("skrobust"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode("ascii")
