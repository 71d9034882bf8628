"""Benchmarks use the package as anybody can: public names only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))


def private_imports(code):
    """Imports of private modules or names of skrobust, as they are written."""
    found = []
    for node in ast.walk(ast.parse(code)):
        paths = []
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            paths = [node.value] if node.value.replace(".", "").isidentifier() else []
        found += [path for path in paths if is_private(path)]
    return found


def is_private(path):
    package, *names = path.split(".")
    return package == "skrobust" and any(
        name.startswith("_") and not name.endswith("__") for name in names
    )


def private_attributes(code):
    """Private attributes of anything but the object or class itself and named tuples."""
    return [
        f"{ast.unparse(node.value)}.{node.attr}"
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and node.attr not in ("_asdict", "_fields", "_replace")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_private_of_skrobust_is_used(path):
    code = path.read_text(encoding="utf-8")
    assert not private_imports(code)
    assert not private_attributes(code)


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("from skrobust._random import draw_seed", True),
        ("from skrobust.backdoor._simclr import pretrain", True),
        ("from skrobust.training import _net", True),
        ("import skrobust.supervised._base as base", True),
        ("def f():\n    import skrobust._device", True),
        ("import_module('skrobust.backdoor._simclr')", True),
        ("from skrobust.networks import MLP", False),
        ("from skrobust import __version__", False),
        ("from benchmarks._results import Cell", False),
    ],
)
def test_private_imports_are_found(code, is_found):
    assert bool(private_imports(code)) == is_found


def test_private_attributes_are_found():
    code = "detector._passes\nself._parts\ncell._asdict()\nmodel.__class__\nself.net._shared"
    assert private_attributes(code) == ["detector._passes", "self.net._shared"]


def test_every_file_is_looked_at():
    names = {path.relative_to(ROOT / "benchmarks").parts[0] for path in FILES}
    assert {"thesis", "speed", "field", "_runner.py"} <= names
