"""All committed results on one page that needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

import pandas as pd

from skrobust._report import STYLE, picture, versions
from skrobust.benchmarks import _thesis
from skrobust.benchmarks._registry import BENCHMARKS
from skrobust.benchmarks._results import ResultFile, machine, provenance
from skrobust.benchmarks._side_by_side import SIDE_BY_SIDE, SideBySide, differences
from skrobust.benchmarks._thesis import ITEMS, Item

__all__ = ["build_report"]

MARKS = {-1: "▼", 0: "", 1: "▲"}


def build_report(folder: Path) -> str:
    """Render the results in a folder.

    Parameters
    ----------
    folder : Path
        With one CSV file per benchmark, and pictures of the same names where there are any; and
        the pictures of figures that no benchmark draws, such as ``figure-4.1.png``.

    Returns
    -------
    str
        HTML with style and pictures inside.
    """
    sections = [_section(name, folder) for name in BENCHMARKS]
    sections += [_drawn(item, folder) for item in ITEMS if item.draw is not None]
    states = Counter(item.state for item in ITEMS)
    counts = ", ".join(f"{n} {state}" for state, n in states.items())
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>skrobust: results</title>",
            f"<style>{STYLE}{_STYLE}</style></head><body>",
            "<h1>skrobust: every table and figure of the thesis</h1>",
            f"<p>{len(ITEMS)} tables and figures: {escape(counts)}. In the tables, our number "
            "stands first and the thesis's, small, below it. ▲ and ▼: ours is higher or lower by "
            "more than the difference that the table's heading names. “Reproduced” means that the "
            "thesis's data and methods were run, not that the numbers agree: that is what the "
            "marks say. “Partly”: other data, smaller sizes, or not all rows. Other states name "
            "what is lacking.</p>",
            _overview(ITEMS),
            *sections,
            f"<footer><p>Rendered by {versions()}, commit "
            f"{escape(provenance()['commit'] or 'unknown')}, on {escape(machine())}.</p></footer>",
            "</body></html>",
        ]
    )


def _overview(items: Iterable[Item]) -> str:
    lines = []
    for item in items:
        where = escape(item.where)
        if item.where in BENCHMARKS:
            where = f'<a href="#{where}">{where}</a>'
        elif item.draw is not None:
            where = f'<a href="#{item.anchor}">{where}</a>'
        cells = "".join(
            f'<td class="text">{cell}</td>'
            for cell in (escape(item.what), escape(item.state), where, escape(item.note))
        )
        lines.append(f'<tr><th scope="row">{escape(item.name)}</th>{cells}</tr>')
    head = "".join(f'<th class="text">{name}</th>' for name in ("", *_COLUMNS))
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def _section(name: str, folder: Path) -> str:
    entry = BENCHMARKS[name]
    heading = f'<h2 id="{name}">{escape(entry.what)}</h2>'
    command = f"<p><code>python -m skrobust.benchmarks {name}</code></p>"
    benchmark = entry.load()
    frame = ResultFile(folder / f"{name}.csv", benchmark.VALUES).frame()
    if frame.empty:
        what = "needs a GPU: nothing measured yet" if entry.needs_gpu else "nothing measured yet"
        return f"{heading}{command}<p>{what}</p>"
    parts = [heading, command, f"<p>{escape(_origin(frame))}</p>"]
    if name in SIDE_BY_SIDE:
        parts.append(_compared(SIDE_BY_SIDE[name], frame))
    drawn = folder / f"{name}.png"
    if drawn.exists():
        parts.append(f'<div class="wide">{picture(drawn.read_bytes(), "", entry.what)}</div>')
    text = escape(benchmark.render(frame))
    parts.append(f"<details><summary>All tables</summary><pre>{text}</pre></details>")
    return "\n".join(parts)


def _drawn(item: Item, folder: Path) -> str:
    """Section of a figure that no benchmark draws."""
    title = f"{item.name}: {item.what}"
    heading = f'<h2 id="{item.anchor}">{escape(title)}</h2>'
    path = folder / f"{item.anchor}.png"
    if not path.exists():
        return f"{heading}<p>nothing drawn yet</p>"
    name = getattr(item.draw, "__name__", "")
    code = f'from {_thesis.__name__} import {name}; {name}().savefig("{path.name}")'
    command = f"<p><code>python -c '{escape(code)}'</code></p>"
    note = f"<p>{escape(item.note[:1].upper() + item.note[1:])}.</p>" if item.note else ""
    return (
        f'{heading}{command}{note}<div class="wide">{picture(path.read_bytes(), "", title)}</div>'
    )


def _origin(frame: pd.DataFrame) -> str:
    """Seeds, size, versions and commits of the rows."""
    seeds = sorted(frame["seed"].unique())
    hours = frame["seconds"].sum() / 3600
    found = "; or ".join(sorted(frame["versions"].unique()))
    commits = ", ".join(sorted(frame["commit"].dropna().astype(str).unique()))
    several = f"seeds {seeds[0]} to {seeds[-1]} (not every cell has all)"
    return (
        f"{len(frame)} cells, {several if len(seeds) > 1 else f'seed {seeds[0]}'}, "
        f"{hours:.1f} hours of one process. Measured with {found}; commits {commits}."
    )


def _compared(table: SideBySide, frame: pd.DataFrame) -> str:
    ours, thesis = table.build(frame)
    title = table.value[0].upper() + table.value[1:]
    if table.tolerance < float("inf"):
        title += f", marked from {table.tolerance:g} on"
    if table.data:
        title += f" ({table.data})"
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in ours)
    lines = []
    for row in ours.dropna(how="all").index:
        cells = [
            _cell(ours.loc[row, name], _entry(thesis, row, name), table.tolerance) for name in ours
        ]
        lines.append(f'<tr><th scope="row">{escape(str(row))}</th>{"".join(cells)}</tr>')
    body = "\n".join(lines)
    return (
        f"<p>{escape(title)}</p>\n"
        f'<div class="scroll"><table class="pairs"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _entry(table: pd.DataFrame, row: object, column: object) -> object:
    return table.loc[row, column] if row in table.index and column in table else float("nan")


def _cell(ours: object, thesis: object, tolerance: float) -> str:
    signs = differences(ours, thesis, tolerance)
    texts = ["–" if pd.isna(entry) else escape(str(entry)) for entry in (ours, thesis)]
    if any(signs):
        parts = texts[0].split("/")
        marks = [f" {MARKS[sign]}" if sign else "" for sign in signs]
        texts[0] = " / ".join(map("".join, zip(parts, marks, strict=True)))
    name = {1: "high", -1: "low"}.get(signs[0] if len(set(signs)) == 1 else 0, "")
    return f'<td class="{name}">{texts[0]}<br><small>{texts[1]}</small></td>'


_COLUMNS = ("what", "state", "where", "what differs")

_STYLE = """
td.text, th.text { text-align: left; white-space: normal; }
.pairs td { line-height: 1.2; }
small { color: #555; }
td.high { color: #00566b; }
td.low { color: #a03c00; }
pre { overflow-x: auto; font-size: .8rem; line-height: 1.3; }
.wide { max-width: 60rem; }
summary { cursor: pointer; }"""
