"""The report: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from string import Template

import pandas as pd

from skrobust._report import STYLE, picture, versions
from skrobust.demo._section import Part, Run, Section, to_frame
from skrobust.demo._table import headline, plain_number, table_cells, verdict

__all__ = ["build_page"]


def build_page(sections: Sequence[Section], runs: Mapping[str, Sequence[Run]]) -> str:
    """Write the report.

    Parameters
    ----------
    sections : sequence of Section
        What was run, in the order of the page.
    runs : dict of str to sequence of Run
        All runs, by the section's key.

    Returns
    -------
    str
        HTML with its style and pictures inside.
    """
    cases = [run.case for group in runs.values() for run in group]
    return _PAGE.substitute(
        style=STYLE,
        quick=_QUICK_NOTE if any(case.quick for case in cases) else "",
        seeds=", ".join(map(str, sorted({case.seed for case in cases}))),
        contents="\n".join(_contents_line(s, i, runs[s.key]) for i, s in enumerate(sections, 1)),
        sections="\n".join(_section(s, i, runs[s.key]) for i, s in enumerate(sections, 1)),
        settings="\n".join(f"<p>{escape(f'{s.title}: {s.settings}')}</p>" for s in sections),
        versions=versions(),
    )


def _contents_line(section: Section, number: int, runs: Sequence[Run]) -> str:
    found = headline(section, to_frame(section.key, runs))
    link = f'<a href="#{section.key}">{number}. {escape(section.title)}</a>'
    words = f"{section.main_words}{'' if section.higher else ' (low is good)'}"
    cells = {
        "measure": escape(words),
        "robust": f"<b>{plain_number(found.robust)}</b>",
        "plain network": plain_number(found.plain),
        "bad among all rows": f"{100 * found.bad:.0f} %",
        "bad among distrusted": f"<b>{100 * found.right:.0f} %</b>",
    }
    data = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in cells.items())
    return f'<tr><th scope="row">{link}</th>{data}</tr>'


def _section(section: Section, number: int, runs: Sequence[Run]) -> str:
    frame = to_frame(section.key, runs)
    return _SECTION.substitute(
        key=section.key,
        title=f"{number}. {escape(section.title)}",
        lead=escape(section.lead),
        stories="".join(f"<li>{escape(story)}</li>" for story in section.stories),
        table=_table(section, frame),
        note=escape(" ".join([section.note, *_doubted(runs)])),
        verdict=escape(" ".join(verdict(section, frame))),
        limit=escape(section.limit),
        parts="\n".join(map(_part, section.draw(runs))),
    )


def _doubted(runs: Sequence[Run]) -> list[str]:
    """Say which methods doubted their estimates, and how often."""
    methods = dict.fromkeys(run.case.method for run in runs if run.doubted)
    counts = {m: [run.doubted for run in runs if run.case.method == m] for m in methods}
    return [
        f"“{method}” warned in {sum(each)} of {len(each)} runs that its estimate may be wrong."
        for method, each in counts.items()
    ]


def _table(section: Section, frame: pd.DataFrame) -> str:
    header, *rows = table_cells(section, frame)
    head = "".join(f'<th scope="col">{_lines(cell)}</th>' for cell in header)
    lines = []
    for method, *cells in rows:
        marked = (f"<b>{escape(c)}</b>" if c.is_best else escape(c) for c in cells)
        data = "".join(f"<td>{text}</td>" for text in marked)
        lines.append(f'<tr><th scope="row">{escape(method)}</th>{data}</tr>')
    return f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>"


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _part(part: Part) -> str:
    pictures = "\n".join(picture(one.png, one.caption, one.alt) for one in part.figures)
    return (
        f"<h3>{escape(part.title)}</h3>\n<p>{escape(part.text)}</p>\n"
        f'<div class="row">\n{pictures}\n</div>'
    )


_QUICK_NOTE = (
    '<p class="note">Made with <code>--quick</code>: small networks and little training, so not '
    "with the settings that are named below. The numbers show that everything runs, not how good "
    "the methods are.</p>"
)

_SECTION = Template("""<section id="$key">
<h2>$title</h2>
<p>$lead</p>
<ul>$stories</ul>
<div class="scroll"><table>
$table
</table></div>
<p class="small">$note</p>
<p><b>What one sees.</b> $verdict</p>
<p><b>Limit.</b> $limit</p>
$parts
</section>
""")

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>skrobust: training on data that cannot be trusted</title>
<style>
$style
h2 { border-top: 1px solid #ccc; padding-top: 1.2rem; font-size: 1.3rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
.small { font-size: .875rem; }
thead th { vertical-align: bottom; }
.contents th, .contents td { white-space: normal; text-align: left; vertical-align: top; }
.row figure { max-width: 30rem; }
@media screen and (max-width: 44rem) {
  .contents thead { display: none; }
  .contents tr, .contents th, .contents td { display: block; padding: 0; }
  .contents tr { padding: .5rem 0; }
  .contents td::before { content: attr(data-label) ": "; color: #555; } }
</style>
</head>
<body>
<h1>Training on data that cannot be trusted</h1>
<p>skrobust trains deep networks on data of which a part is wrong, and tells which rows it did not
trust. Here are five small experiments, one for each kind of corruption, from the chapters of Liu,
<i>Robust learning of deep neural networks under data corruption</i> (dissertation), on data that
ships with scikit-learn; the points of section 2 are generated. The corruption is planted: the page
knows which rows are bad, the methods do not.</p>
$quick
<div class="scroll contents"><table>
<thead><tr><th scope="col">What is wrong</th><th scope="col">Measure</th>
<th scope="col">robust</th><th scope="col">plain network</th>
<th scope="col">bad among all rows</th>
<th scope="col">bad among distrusted</th></tr></thead>
<tbody>
$contents
</tbody>
</table></div>
<p class="small">Means over the problems of a section and the seeds $seeds; the last two columns are
about training rows, and the last one is for the robust method. In all other tables: mean ± standard
deviation over the seeds, each of which draws its own split and corruption; bold: best of its
column; CPU seconds: median processor time of drawing, training and scoring, on one thread.</p>

$sections
<footer>
$settings
<p>Methods that take the share of bad rows are told the true one, except where their name says
“unknown”. All on the CPU, one torch thread. results.csv, next to this page, holds every value of
every run.</p>
<p>$versions</p>
</footer>
</body>
</html>
""")
