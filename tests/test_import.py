"""The package is quick to import, and everything is there all the same."""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import skrobust
from skrobust import RCADetector
from skrobust.__main__ import _COMMANDS, main

HEAVY = {"torch", "pyod", "skorch", "numba", "matplotlib"}
INIT = Path(skrobust.__file__)
SUBPACKAGES = sorted(
    path.parent.name
    for path in INIT.parent.glob("[a-z]*/__init__.py")
    if path.parent.name not in {"benchmarks", "cli", "demo"}  # run, not imported
)


def run_python(code, **kwargs):
    """Standard output of a fresh interpreter."""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, **kwargs)
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode()


def modules_after(code):
    """Top-level modules that a fresh interpreter has imported after ``code``."""
    report = "; import sys; print('modules:', *{name.partition('.')[0] for name in sys.modules})"
    return set(run_python(code + report).rpartition("modules:")[2].split())


@pytest.mark.parametrize("code", ["", "; dir(skrobust)", "; hasattr(skrobust, 'nothing')"])
def test_import_is_quick(code):
    assert not modules_after(f"import skrobust{code}") & {*HEAVY, "sklearn", "numpy"}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_command_line_is_quick(option):
    code = f"""
from skrobust.__main__ import main
try:
    main(['{option}'])
except SystemExit as end:
    assert end.code == 0
"""
    assert not modules_after(code.strip() + "\nNone") & {*HEAVY, "sklearn", "numpy", "pandas"}


@pytest.mark.parametrize("names, absent", [
    ("corruption, skrobust.datasets, skrobust.metrics", {*HEAVY, "pooch", "requests"}),
    ("io, skrobust.plotting, skrobust.tables, skrobust.diagnosis", HEAVY),
    ("cli._detect, skrobust.cli._audit, skrobust.cli._score", HEAVY),
    ("networks, skrobust.selection", HEAVY - {"torch"}),
])  # fmt: skip
def test_subpackages_import_what_they_need(names, absent):
    modules = modules_after(f"import skrobust.{names}")
    assert "numpy" in modules and not modules & absent


def test_every_name_is_there():
    for name in skrobust.__all__:
        assert getattr(skrobust, name) is not None
    assert set(skrobust.__all__) <= set(dir(skrobust))
    names = run_python("from skrobust import *; print(*dir())").split()
    assert set(skrobust.__all__) <= set(names)


def test_every_subpackage_is_there():
    assert {"datasets", "plotting", "corruption", "metrics"} <= set(SUBPACKAGES)
    code = f"import skrobust; print(*[getattr(skrobust, name).__name__ for name in {SUBPACKAGES}])"
    assert run_python(code).split() == [f"skrobust.{name}" for name in SUBPACKAGES]
    assert set(SUBPACKAGES) <= set(dir(skrobust))


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="module 'skrobust' has no attribute 'RCADetectr'"):
        _ = skrobust.RCADetectr
    with pytest.raises(ImportError):
        importlib.import_module("skrobust.nothing")


def test_type_checkers_see_the_same_names():
    tree = ast.parse(INIT.read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        seen.update({alias.name: node.module for alias in node.names})
    names = dict.fromkeys(SUBPACKAGES, "skrobust")
    names |= {name: f"skrobust.{home}" for name, home in skrobust._HOMES.items()}
    assert seen == names
    assert sorted([*skrobust._HOMES, "__version__"]) == skrobust.__all__
    for name, home in skrobust._HOMES.items():
        assert getattr(skrobust, name) is getattr(getattr(skrobust, home), name)


def test_pickles_load_in_a_fresh_interpreter():
    content = pickle.dumps(RCADetector(contamination=0.2))
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
    assert run_python(code, input=content).strip() == "RCADetector(contamination=0.2)"


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, (_, line) in _COMMANDS.items():
        assert f"{name} {line}" in text


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_of_a_command(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    module = importlib.import_module(_COMMANDS[name][0])
    assert module.DESCRIPTION.split(".")[0] in text and "--out" in text
