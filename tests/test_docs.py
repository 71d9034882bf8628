"""The documentation lists every public name once and every page; its links are for the build."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import skrobust

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path.relative_to(DOCS).with_suffix("").as_posix()
    for path in DOCS.rglob("*.rst")
    if not {"_build", "_templates", "generated"} & set(path.relative_to(DOCS).parts)
)


def exported_names():
    """Pairs of a module's path and a name in its ``__all__``."""
    names = [("skrobust", name) for name in skrobust.__all__ if not name.startswith("__")]
    for info in pkgutil.walk_packages(skrobust.__path__, "skrobust."):
        parts = info.name.split(".")[1:]
        if all(part == "__main__" or not part.startswith("_") for part in parts):
            module = importlib.import_module(info.name)
            names += [(info.name, name) for name in getattr(module, "__all__", [])]
    return names


def shortest_paths():
    """Path of every public object; of several the one with the fewest parts."""
    found = {}
    for module, name in sorted(exported_names(), key=lambda pair: pair[0].count(".")):
        item = getattr(importlib.import_module(module), name)
        identity = id(item) if hasattr(item, "__module__") else (module, name)
        found.setdefault(identity, f"{module}.{name}")
    return sorted(found.values())


def documented_paths():
    """What the tables and directives of the API page list, in the order of the page."""
    listed, module, in_table = [], None, False
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        directive = re.match(r"\.\. ([\w:]+):: *(\S*)", line)
        if directive:
            kind, argument = directive.groups()
            in_table = kind == "autosummary"
            if kind in ("automodule", "currentmodule"):
                module = argument
            elif kind == "py:data":
                listed.append(f"{module}.{argument}")
        elif in_table and re.fullmatch(r"   \w+", line):
            listed.append(f"{module}.{line.strip()}")
        elif line and not line.startswith(" "):
            in_table = False
    return listed


def test_every_public_name_is_on_the_api_page_once():
    assert sorted(documented_paths()) == shortest_paths()


def linked_pages(page):
    """Pages that a page's tables of contents name."""
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    for block in re.findall(r"\.\. toctree::\n((?:[ ]+.*\n|\n)*)", text):
        for line in block.splitlines():
            if line.strip() and not line.strip().startswith(":"):
                yield (Path(page).parent / line.strip()).as_posix()


def test_every_page_is_in_a_table_of_contents():
    reached, queue = set(), ["index"]
    while queue:
        page = queue.pop()
        if page not in reached:
            reached.add(page)
            queue += linked_pages(page)
    assert sorted(reached) == PAGES


@pytest.mark.parametrize("page", ["results", "speed"])
def test_measured_numbers_are_not_typed(page):
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    assert re.search(r"^\.\. \w+-results::$", text, re.MULTILINE)
    assert not re.search(r"\d\.\d", text)


def defined_names(path):
    """Functions of a module, and methods with the name of their class."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        yield from (owner + part.name for part in parts if isinstance(part, ast.FunctionDef))


def test_the_walk_through_fit_names_functions_where_they_stand():
    text = (DOCS / "architecture.rst").read_text(encoding="utf-8")
    walk = re.findall(r"\* - ``([\w/]+\.py)``\n +- ``([\w.]+)``\n", text)
    assert len(walk) > 20
    package = Path(skrobust.__file__).parent
    lost = [f"{file}: {name}" for file, name in walk if name not in defined_names(package / file)]
    assert not lost
