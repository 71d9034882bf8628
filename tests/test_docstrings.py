"""Docstrings agree with signatures, and every public name has one."""

import importlib
import inspect
import pkgutil
import sys

import pytest
from numpydoc.validate import validate
from sklearn.base import BaseEstimator
from skorch import NeuralNet

import skrobust

# Sections and parameters must match the signature; style of the sentences is left to the reader.
CHECKS = {"GL08", "PR01", "PR02", "PR03", "PR04", "RT01", "SS01", "SS02", "SS03", "SS06"}


def public_objects():
    for info in pkgutil.walk_packages(skrobust.__path__, "skrobust."):
        if any(part.startswith("_") and part != "__main__" for part in info.name.split(".")[1:]):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", []):
            yield f"{info.name}.{name}"
    for name in skrobust.__all__:
        if not name.startswith("__"):
            yield f"skrobust.{name}"


def documented_names():
    for path in sorted(set(public_objects())):
        module, name = path.rsplit(".", 1)
        item = getattr(importlib.import_module(module), name)
        if not (inspect.isclass(item) or inspect.isfunction(item)):
            continue
        if getattr(item, "_is_protocol", False):  # which nobody calls
            continue
        yield path
        if inspect.isclass(item):
            yield from (f"{path}.{method}" for method in own_methods(item))


def own_methods(cls):
    """Public methods that are written in this package, inherited ones included."""
    for name in dir(cls):
        owner = next((c for c in cls.__mro__ if name in vars(c)), object)
        is_ours = owner.__module__.startswith("skrobust")
        if is_ours and not name.startswith("_") and inspect.isfunction(vars(owner)[name]):
            yield name


@pytest.mark.parametrize("path", list(documented_names()))
def test_docstring_matches_signature(path):
    errors = [
        f"{code}: {text}"
        for code, text in validate(path)["errors"]
        if code in CHECKS and not is_small_method(path, code)
    ]
    assert not errors, "\n".join(errors)


def is_small_method(path, code):
    """Methods of the engine may describe their parameters in one sentence; estimators may not."""
    owner, _, method = path.rpartition(".")
    module, _, name = owner.rpartition(".")
    cls = getattr(sys.modules.get(module), name, None)
    is_engine = inspect.isclass(cls) and (
        issubclass(cls, NeuralNet) or not issubclass(cls, BaseEstimator)
    )
    return is_engine and bool(method) and code in {"PR01", "RT01"}
