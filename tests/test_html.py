"""Pages from templates: everything is escaped, nothing may be missing, the wheel has them all."""

from importlib.resources import files

import pytest
from jinja2 import UndefinedError

from skrobust import __version__
from skrobust._html import render, versions

AUDIT = {
    "heading": "Least trusted <u>",
    "name": "<i>.csv",
    "summary": "<s>",
    "evaluation": "",
    "notes": ["<q>"],
    "facts": [("<dt>x", "<dd>y")],
    "id_column": "<id>",
    "measures": ["given"],
    "rows": [{"name": "1 (<td>)", "given": "<script>" + 40 * "x", "cells": [("<b>", "<em>")]}],
    "n_more": 3,
    "is_classes": True,
    "counts": [("<tr>", [1, 2000]), ("b", [0, 3])],
    "n_left_out": 4,
    "picture_of_targets": None,
}


def test_every_value_is_escaped():
    page = render("audit.html", **AUDIT)
    for text in ("<u>", "<i>", "<s>", "<q>", "<dt>x", "<dd>y", "<id>", "(<td>)", "<b>", "<em>"):
        assert text not in page and text.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<script>" not in page and 'scope="row">&lt;tr&gt;</th>' in page
    assert f"&lt;script&gt;{31 * 'x'}…</td>" in page  # 40 characters, as they are read
    assert "and 3 more columns" in page and "4 rows of other classes" in page
    assert ">2,000</td>" in page and 'class="typical">3</td>' in page
    assert versions() in page and f"skrobust {__version__}" in page


def test_causes_of_a_row_are_escaped():
    cause = {"column": "<th>", "value": "<script>", "typical": "<style>x", "share": 0.25}
    row = {"name": "1", "score": "<hr>", "causes": [cause, cause]}
    page = render(
        "detect.html",
        **{key: AUDIT[key] for key in ("heading", "name", "summary", "evaluation", "notes")},
        facts=[],
        id_column=None,
        measures=["score"],
        rows=[row, {**row, "causes": []}],
        rate=0.125,
        scores=b"1",
        columns=b"2",
    )
    for text in ("<th>", "<script>", "<style>x", "<hr>"):
        assert text not in page and text.replace("<", "&lt;").replace(">", "&gt;") in page
    shown = '<b>&lt;th&gt;</b> &lt;script&gt; <span class="typical">(&lt;style&gt;x)</span> 25 %'
    assert f'<td class="why">{shown}<br>{shown}</td>' in page
    assert '<td class="why">no single column</td>' in page and "so that 12.5 % of the" in page
    assert page.count('src="data:image/png;base64,') == 2


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="summary"):
        render("audit.html", **{key: AUDIT[key] for key in AUDIT if key != "summary"})


def test_templates_are_part_of_the_package():
    folder = files("skrobust") / "templates"
    pages = {"base", "parts", "table", "detect", "audit", "screen", "demo"}
    assert {f"{page}.html" for page in pages} == {path.name for path in folder.iterdir()}
