"""What the runs of an experiment say: a table, sentences, lines of the overview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skrobust.demo._running import PLAIN, Experiment, Run, to_frame


def summarise(one: Experiment, runs: Sequence[Run]) -> dict[str, Any]:
    """Average an experiment's runs over the seeds, as the page's text.

    "groups" are the problems' titles and lines, of a method and cells, which are pairs of a text
    and whether it is the best; "verdict" are sentences; "figures" are by their group.
    """
    frame = to_frame(one.key, runs)
    by_measure = frame.groupby(["problem", "method", "measure"], sort=False)["value"]
    stats = by_measure.agg(["mean", "std", "median"])
    figures = defaultdict(list)
    for figure in (figure for run in runs for figure in run.figures):
        figures[figure.group].append(figure)
    words = [_words(one, measure) for measure in one.measures]
    return {
        "title": one.title,
        "ours": one.ours,
        "header": ["Method", *words, "rows distrusted", f"{one.bad} among these", "CPU seconds"],
        "groups": [_group(one, problem, stats.loc[problem]) for problem in one.problems],
        "verdict": [_comparison(one, frame), *_doubts(runs)],
        "overview": [
            _overview(one, problem, measure, stats.loc[problem])
            for problem in one.problems
            for measure in one.measures
        ],
        "figures": figures,
    }


def as_text(summary: dict[str, Any]) -> str:
    """Lay the table out for a terminal; the best of each group carries a star."""
    stars = {True: " *", False: "  "}
    lines = [[text + "  " for text in summary["header"]]]
    for title, group in summary["groups"]:
        lines.append([title])
        lines += [[f"  {name}", *(text + stars[b] for text, b in cells)] for name, cells in group]
    wide = [line for line in lines if len(line) > 1]
    widths = [max(map(len, column)) + 1 for column in zip(*wide, strict=True)]
    cells = ["".join(map(str.rjust, line[1:], widths[1:])) for line in lines]
    laid_out = [line[0].ljust(widths[0]) + right for line, right in zip(lines, cells, strict=True)]
    return "\n".join(line.rstrip() for line in laid_out)


def _group(one: Experiment, problem: str, stats: pd.DataFrame) -> tuple[str, list]:
    best = {measure: _best(one, measure, stats, one.methods) for measure in one.measures}
    lines = []
    for method in one.methods:
        cells = [(_spread(stats.loc[method, each]), method in best[each]) for each in one.measures]
        cells += [(_percent(stats, method, each), False) for each in ("flagged", "right")]
        cells.append((f"{stats.loc[(method, 'seconds'), 'median']:.1f}", False))
        lines.append((method, cells))
    share = _percent(stats, one.ours, "bad")
    return f"{problem}: {share} of the training rows are {one.bad}", lines


def _overview(one: Experiment, problem: str, measure: str, stats: pd.DataFrame) -> dict[str, str]:
    means = {m: _number(stats.loc[(m, measure), "mean"]) for m in one.methods}
    return {
        "problem": problem,
        "measure": _words(one, measure),
        "ours": means[one.ours],
        "plain": means[PLAIN],
        "peers": ", ".join(f"{peer} {means[peer]}" for peer in one.peers),
        "best": ", ".join(_best(one, measure, stats, [one.ours, PLAIN, *one.peers])),
        **{name: _percent(stats, one.ours, name) for name in ("bad", "flagged", "right")},
    }


def _best(one: Experiment, measure: str, stats: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """Methods with the best mean; several where they are printed alike."""
    sign = one.measures[measure][1]
    means = {method: sign * round(stats.loc[(method, measure), "mean"], 3) for method in methods}
    return [method for method, mean in means.items() if mean == max(means.values())]


def _comparison(one: Experiment, frame: pd.DataFrame) -> str:
    """How often our method beats each of the others by the first measure."""
    measure, (words, sign) = next(iter(one.measures.items()))
    chosen = frame[frame["measure"] == measure]
    wide = sign * chosen.pivot(index=["problem", "seed"], columns="method", values="value")
    wins = [f"{(wide[one.ours] > wide[m]).sum()} against {m}" for m in one.methods[1:]]
    return f"Of {len(wide)} runs, {one.ours} has the better {words} in {', '.join(wins)}."


def _doubts(runs: Sequence[Run]) -> list[str]:
    """Say which methods doubted their estimates, and how often."""
    warned = defaultdict(list)
    for run in runs:
        warned[run.case.method].append(run.doubted)
    said = [f"{m} in {sum(each)} of {len(each)} runs" for m, each in warned.items() if any(each)]
    verdict = f"Warned that its estimate of the rate cannot be relied on: {', '.join(said)}."
    return [verdict] if said else []


def _words(one: Experiment, measure: str) -> str:
    words, sign = one.measures[measure]
    return words if sign > 0 else f"{words} (low is good)"


def _spread(stats: pd.Series) -> str:
    return _number(stats["mean"]) + ("" if np.isnan(stats["std"]) else f" ± {stats['std']:.3f}")


def _number(value: float) -> str:
    """Three decimals, and a minus sign where it is negative."""
    return f"{value:.3f}".replace("-", "−")


def _percent(stats: pd.DataFrame, method: str, measure: str) -> str:
    value = stats.loc[(method, measure), "mean"]
    return "–" if np.isnan(value) else f"{100 * value:.0f} %"
