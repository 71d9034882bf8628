"""What the documentation needs beyond Sphinx: tables of results, formulae, names, members."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from docutils import nodes
from docutils.statemachine import StringList
from docutils.utils.math import latex2mathml
from sphinx.util.docutils import SphinxDirective

from benchmarks._results import ResultFile
from benchmarks.field._registry import BENCHMARKS as FIELD
from benchmarks.field._registry import RESULTS as FIELD_RESULTS
from benchmarks.speed.__main__ import BENCHMARKS as SPEED
from benchmarks.speed.__main__ import RESULTS as SPEED_RESULTS
from benchmarks.speed.report import History
from benchmarks.thesis._registry import BENCHMARKS, RESULTS

_VERSIONS = ("cpu", "python", "torch", "numpy", "scikit-learn", "pyod", "deepod", "zuko")


class _Generated(SphinxDirective):
    """Directive whose content is written by :meth:`lines` in reStructuredText."""

    def run(self) -> list[nodes.Node]:
        source = self.get_source_info()[0]
        lines = StringList(list(self.lines()), source=f"{source}: {self.name}")
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)

    def lines(self) -> Iterable[str]:
        raise NotImplementedError


class BenchmarkResults(_Generated):
    """One section per benchmark: what it is, how it was measured, and its table."""

    def lines(self) -> Iterator[str]:
        """Write the sections."""
        for name, entry in sorted(BENCHMARKS.items(), key=_place_in_thesis):
            benchmark = entry.load()
            path = RESULTS / f"{name}.csv"
            self.env.note_dependency(str(path))
            self.env.note_dependency(inspect.getfile(benchmark))
            table = benchmark.render(ResultFile(path, benchmark.VALUES).frame())
            command = f"``python -m benchmarks.thesis {name} --table``"
            yield from [f".. _results-{name}:", "", *_heading(entry.what)]
            yield from [*inspect.getdoc(benchmark).splitlines(), "", f"{command}:", ""]
            yield from [".. code-block:: text", "", *_indented(table), ""]


class FieldResults(_Generated):
    """The table of one benchmark in the field."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Write the table."""
        benchmark = FIELD[self.arguments[0]].load()
        path = FIELD_RESULTS / f"{self.arguments[0]}.csv"
        self.env.note_dependency(str(path))
        self.env.note_dependency(inspect.getfile(benchmark))
        table = benchmark.render(ResultFile(path, benchmark.VALUES).frame())
        yield from [".. code-block:: text", "", *_indented(table), ""]


class SpeedResults(_Generated):
    """One section per benchmark of speed, with a table of ratios."""

    def lines(self) -> Iterator[str]:
        """Write the sections."""
        self.env.note_dependency(str(SPEED_RESULTS))
        for name, group in groupby(History(SPEED_RESULTS).newest(), itemgetter("name")):
            what = (inspect.getdoc(SPEED[name]) if name in SPEED else None) or ""
            yield from [*_heading(name), _sentence(what.removeprefix("Yield ")), ""]
            yield from _speed_table(list(group))


def _place_in_thesis(item) -> list[str]:
    """Chapter and number of the first table that a registry's text names; "z" without one."""
    return re.findall(r"\d+\.\d+", item[1].what)[:1] or ["z"]


def _speed_table(rows: list[dict[str, str]]) -> Iterator[str]:
    yield from [".. list-table::", "   :header-rows: 1", "   :widths: 54 24 12 10", ""]
    yield from _cells(["compared", "median [quartiles]", "goal", "reached"])
    for row in rows:
        unit = "" if row["unit"] == "x" else f" {row['unit']}"
        value = f"{row['median']} [{row['q1']}, {row['q3']}]{unit}" if row["median"] else "–"
        note = f" ({row['note']})" if row["note"] else ""
        reached = {"reached": "yes", "MISSED": "**no**"}.get(row["verdict"], "–")
        yield from _cells([row["compared"] + note, value, row["goal"] or "–", reached])
    used = {f"{key} {row[key]}" for row in rows for key in _VERSIONS if row[key]}
    days = " and ".join(sorted({row["date"] for row in rows}))
    yield from ["", f"Measured on {days} with {', '.join(sorted(used))}.", ""]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _heading(text: str) -> list[str]:
    return [text, "-" * len(text), ""]


def _cells(values: Iterable[str]) -> Iterator[str]:
    for i, value in enumerate(values):
        yield f"   {'*' if i == 0 else ' '} - {_plain(value)}"


def _plain(text: str) -> str:
    """Keep characters that mean something in reStructuredText, emphasis excepted."""
    return text if text.startswith("**") else re.sub(r"([*_`|\\])", r"\\\1", text)


def _indented(text: str) -> list[str]:
    return [f"   {line}" for line in text.splitlines()]


def _visit_math(self, node) -> None:
    self.body.append(latex2mathml.tex2mathml(node.astext()))
    raise nodes.SkipNode


def _visit_math_block(self, node) -> None:
    formula = latex2mathml.tex2mathml(node.astext(), as_block=True)
    self.body.append(f'<div class="math">{formula}</div>\n')
    raise nodes.SkipNode


def _skip_foreign(app, what, name, obj, skip, options) -> bool | None:
    """Show the methods that are written in this package, inherited ones included."""
    function = obj.fget if isinstance(obj, property) else inspect.unwrap(obj, stop=_has_module)
    function = getattr(function, "__func__", function)  # class methods
    is_ours = str(getattr(function, "__module__", "")).startswith("skrobust")
    return None if is_ours else True


def _has_module(function) -> bool:
    return str(getattr(function, "__module__", "")).startswith("skrobust")


def _find_by_name(app, env, node, contnode):
    """Resolve a public name that docstrings give without its module."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rsplit(".", 1)[-1]
    python = env.domains["py"]
    found = [
        path
        for path, entry in python.objects.items()
        if path.rsplit(".", 1)[-1] == name and not entry.aliased
    ]
    if len(found) != 1:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, contnode)


def setup(app) -> dict[str, object]:
    """Register everything with Sphinx."""
    app.add_directive("benchmark-results", BenchmarkResults)
    app.add_directive("field-results", FieldResults)
    app.add_directive("speed-results", SpeedResults)
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math_block, None))
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("missing-reference", _find_by_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
