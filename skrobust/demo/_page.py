"""The report: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from html import escape
from string import Template

import pandas as pd

from skrobust._report import STYLE, picture, versions
from skrobust.demo._experiment import RCA, Run, Settings, to_frame
from skrobust.demo._pictures import draw_gallery, draw_histograms, draw_kept_share, draw_roc
from skrobust.demo._table import table_cells, verdict

__all__ = ["build_page"]


def build_page(runs: Sequence[Run], settings: Settings) -> str:
    """Write the report.

    Parameters
    ----------
    runs : sequence of Run
        All runs of the experiment.
    settings : Settings
        What they were trained with.

    Returns
    -------
    str
        HTML with its style and pictures inside.
    """
    frame = to_frame(runs)
    seeds = sorted({run.seed for run in runs})
    return _PAGE.substitute(
        style=STYLE,
        quick=_QUICK_NOTE if settings.is_quick else "",
        table=_table(frame),
        verdict=" ".join(map(escape, verdict(frame))),
        problems=_problems(runs),
        roc=_row(runs, draw_roc, "ROC curves"),
        histograms=_row(_of(runs, seed=seeds[0]), draw_histograms, "Held-out scores by label"),
        kept=_row(_of(runs, method=RCA), draw_kept_share, "Anomalies among the kept rows"),
        gallery=_gallery(_of(runs, seed=seeds[0])),
        seeds=_enumerate(seeds),
        first_seed=seeds[0],
        settings=_settings(settings),
        versions=versions(),
    )


def _of(runs: Iterable[Run], **wanted: object) -> list[Run]:
    return [run for run in runs if all(getattr(run, k) == v for k, v in wanted.items())]


def _by_problem(runs: Iterable[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.problem.title, []).append(run)
    return groups


def _table(frame: pd.DataFrame) -> str:
    header, *rows = table_cells(frame)
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    lines = []
    for method, *cells in rows:
        marked = (f"<b>{escape(c)}</b>" if c.is_best else escape(c) for c in cells)
        data = "".join(f"<td>{text}</td>" for text in marked)
        lines.append(f'<tr><th scope="row">{escape(method)}</th>{data}</tr>')
    return f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>"


def _problems(runs: Sequence[Run]) -> str:
    items = []
    for title, group in _by_problem(runs).items():
        sample, story = group[0].sample, escape(group[0].problem.story)
        n_train, n_test = len(sample.y_train), len(sample.y_test)
        size = f"{n_train} training rows, {n_test} held out, {sample.X_test.shape[1]} features."
        items.append(f"<li><b>{escape(title)}.</b> {story} {size}</li>")
    return "\n".join(items)


def _row(runs: Sequence[Run], draw: Callable[[list[Run]], bytes], what: str) -> str:
    groups = _by_problem(runs).items()
    return "\n".join(picture(draw(group), title, f"{what}: {title}") for title, group in groups)


def _gallery(runs: Sequence[Run]) -> str:
    pictures = [run for run in runs if run.problem.image_shape is not None]
    groups = _by_problem(pictures).items()
    return "\n".join(
        picture(draw_gallery(group), title, f"Most abnormal held-out pictures: {title}")
        for title, group in groups
    )


def _settings(settings: Settings) -> str:
    values = {name: v for name, v in asdict(settings).items() if name != "is_quick"}
    return escape(", ".join(f"{name}={value}" for name, value in values.items()))


def _enumerate(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


_QUICK_NOTE = (
    '<p class="note">Made with <code>--quick</code>: small networks and little training. '
    "The numbers show that everything runs, not how good the methods are.</p>"
)

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>skrobust: anomaly detection on contaminated data</title>
<style>
$style
</style>
</head>
<body>
<h1>Finding anomalies after training on contaminated data</h1>
<p>skrobust trains deep networks on data that cannot be trusted. Here its detector RCA learns from
training rows that contain unlabelled anomalies, and then scores rows it has not seen, beside its
own plain autoencoder and two detectors of PyOD.</p>
$quick
<div class="scroll"><table>
$table
</table></div>
<p>Area under the ROC curve on held-out rows (1 is perfect, 0.5 is chance): mean ± standard
deviation over the seeds $seeds. Bold: best of its column. CPU seconds: median processor time of
one fit and score, on one thread.</p>
<p>$verdict</p>

<h2>The data</h2>
<ul>
$problems
</ul>
<p>All ship with scikit-learn. Every seed draws its own anomalies and its own split (60 % to train,
40 % held out, with the same share of anomalies), so the spread includes both. Each detector is
told that share; none sees a label. The three problems were fixed before results were seen, and no
setting was tuned on them.</p>

<h2>RCA drops anomalies from its own training</h2>
<p>In every batch each network discards the rows it reconstructs worst. Share of anomalies among
the training rows that are kept: below the dashed line means that the networks learn from cleaner
data than they were given. Thin lines are single seeds; all are running means over five epochs.</p>
<div class="row">
$kept
</div>

<h2>Scores of held-out rows</h2>
<p>Seed $first_seed; the more of the orange lies to the right of the blue, the better.</p>
<div class="row">
$histograms
</div>

<h2>How many anomalies are found at what price</h2>
<p>ROC curves, mean over the seeds.</p>
<div class="row">
$roc
</div>

<h2>The most abnormal held-out pictures</h2>
<p>Seed $first_seed, highest score first. Orange frame: an anomaly by label; blue frame: normal by
label.</p>
<div class="row">
$gallery
</div>

<footer>
<p>Seeds: $seeds. RCADetector: $settings, contamination = share of anomalies in the set, otherwise
the defaults. Plain autoencoder: the same with n_networks=1, select=False, n_passes=0. PyOD: its
defaults, with the contamination and the seed. All on the CPU, one torch thread.</p>
<p>$versions</p>
</footer>
</body>
</html>
""")
