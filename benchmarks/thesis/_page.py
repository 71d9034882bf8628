"""All committed results on one page that needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks._pages import embedded, render
from benchmarks._results import ResultFile
from benchmarks.thesis import _thesis
from benchmarks.thesis._registry import BENCHMARKS
from benchmarks.thesis._side_by_side import SIDE_BY_SIDE, SideBySide, differences
from benchmarks.thesis._thesis import ITEMS, Item

__all__ = ["build_report"]

MARKS = {-1: "▼", 0: "", 1: "▲"}
TEMPLATE = Path(__file__).parent / "templates" / "report.html"


class _Cell(NamedTuple):
    """Our number, marked where it differs; the thesis's; "high", "low" or nothing."""

    ours: str
    thesis: str
    mark: str


class _Compared(NamedTuple):
    """Our table beside the thesis's."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[_Cell]]]


@dataclass
class _Section:
    """What the page says of one benchmark, or of a figure that no benchmark draws."""

    anchor: str
    title: str
    command: str
    lacking: str = ""
    origin: str = ""
    compared: _Compared | None = None
    picture: str = ""
    tables: str = ""


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
    drawn = [item for item in ITEMS if item.draw is not None]
    links = {item.name: item.where if item.where in BENCHMARKS else "" for item in ITEMS}
    return render(
        TEMPLATE,
        items=ITEMS,
        states=Counter(item.state for item in ITEMS),
        links=links | {item.name: item.anchor for item in drawn},
        sections=[
            *(_section(name, folder) for name in BENCHMARKS),
            *(_drawn(item, folder) for item in drawn),
        ],
    )


def _section(name: str, folder: Path) -> _Section:
    entry = BENCHMARKS[name]
    section = _Section(name, entry.what, f"python -m benchmarks.thesis {name}")
    benchmark = entry.load()
    frame = ResultFile(folder / f"{name}.csv", benchmark.VALUES).frame()
    if frame.empty:
        need = "needs a GPU: " if entry.needs_gpu else ""
        section.lacking = f"{need}nothing measured yet"
        return section
    section.origin = _origin(frame)
    if name in SIDE_BY_SIDE:
        section.compared = _compare(SIDE_BY_SIDE[name], frame)
    section.picture = embedded(folder / f"{name}.png")
    section.tables = benchmark.render(frame)
    return section


def _drawn(item: Item, folder: Path) -> _Section:
    """Section of a figure that no benchmark draws."""
    path = folder / f"{item.anchor}.png"
    name = getattr(item.draw, "__name__", "")
    code = f'from {_thesis.__name__} import {name}; {name}().savefig("{path.name}")'
    return _Section(
        item.anchor,
        f"{item.name}: {item.what}",
        f"python -c '{code}'",
        lacking="" if path.exists() else "nothing drawn yet",
        origin=f"{item.note[:1].upper()}{item.note[1:]}." if item.note else "",
        picture=embedded(path),
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


def _compare(table: SideBySide, frame: pd.DataFrame) -> _Compared:
    ours, thesis = table.build(frame)
    title = table.value[0].upper() + table.value[1:]
    if table.tolerance < float("inf"):
        title += f", marked from {table.tolerance:g} on"
    if table.data:
        title += f" ({table.data})"
    rows = [
        (
            str(row),
            [_cell(ours.loc[row, c], _entry(thesis, row, c), table.tolerance) for c in ours],
        )
        for row in ours.dropna(how="all").index
    ]
    return _Compared(title, [str(name) for name in ours], rows)


def _entry(table: pd.DataFrame, row: object, column: object) -> object:
    return table.loc[row, column] if row in table.index and column in table else float("nan")


def _cell(ours: object, thesis: object, tolerance: float) -> _Cell:
    signs = differences(ours, thesis, tolerance)
    shown, printed = ("–" if pd.isna(entry) else str(entry) for entry in (ours, thesis))
    if any(signs):
        marks = [f" {MARKS[sign]}" if sign else "" for sign in signs]
        shown = " / ".join(map("".join, zip(shown.split("/"), marks, strict=True)))
    mark = {1: "high", -1: "low"}.get(signs[0] if len(set(signs)) == 1 else 0, "")
    return _Cell(shown, printed, mark)
