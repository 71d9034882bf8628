"""What an experiment is, and the loop that runs all of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skrobust.plotting._style import new_figure, to_png

PLAIN = "plain network"


class Data(NamedTuple):
    """Training rows, those that are bad, and test rows that are as they should be."""

    X: np.ndarray
    y: Any  # array or None
    bad: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


class Figure(NamedTuple):
    """A picture as PNG bytes: where it belongs and its caption."""

    group: str
    caption: str
    png: bytes


class Experiment:
    """One kind of corruption."""

    key: str  # the page's anchor
    title: str
    bad: str  # what bad rows are called
    problems: Mapping[str, Any]  # what can be drawn
    # Words for each value that ``judge`` returns, and 1 if high ones are good, else -1; the first
    # counts.
    measures: Mapping[str, tuple[str, int]]
    ours: str  # our method, which is told no rate
    variants: Sequence[str] = ()  # our method otherwise
    peers: Sequence[str]  # methods of other libraries
    quick: Mapping[str, Any] = {}  # parameters of our estimators for little training

    @property
    def methods(self) -> list[str]:
        """All of them, in the order in which ``build`` returns estimators."""
        return [self.ours, *self.variants, PLAIN, *self.peers]

    def sample(self, problem: str, seed: int) -> Data:
        """Draw data and corrupt the training rows."""
        raise NotImplementedError

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        """Make an unfitted estimator for each method; the settings are those of ours."""
        raise NotImplementedError

    def judge(self, model: Any, data: Data) -> dict[str, float]:
        """Values of a fitted estimator by measure; the only one is its score."""
        return {measure: model.score(data.X_test, data.y_test) for measure in self.measures}

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterable[Figure]:
        """Pictures of a fitted estimator."""
        raise NotImplementedError

    def cases(self, seeds: Sequence[int], quick: bool) -> Iterator[Case]:
        """Every method on every problem under every seed; the first seed gives pictures."""
        for problem, seed, method in product(self.problems, seeds, self.methods):
            yield Case(problem, method, seed, quick, seed == seeds[0])


class Case(NamedTuple):
    """One method on one draw of one problem."""

    problem: str
    method: str
    seed: int
    quick: bool
    with_figures: bool


class Run(NamedTuple):
    """What came of a case: values by measure, pictures, and whether an estimate was in doubt."""

    case: Case
    values: Mapping[str, float]
    figures: Sequence[Figure]
    doubted: bool


def run_all(
    experiments: Sequence[Experiment], seeds: Sequence[int], quick: bool = False, n_jobs: int = 1
) -> dict[str, list[Run]]:
    """Run all cases with one progress bar; the results are the same with any number of jobs."""
    plan = [(one, case) for one in experiments for case in one.cases(seeds, quick)]
    runs: dict[str, list[Run]] = {one.key: [] for one in experiments}
    done = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_run)(*each) for each in plan)
    with tqdm(plan, desc="demo", unit="fit") as bar:
        for (one, case), run in zip(bar, done, strict=True):
            bar.set_postfix_str(f"{case.problem}, seed {case.seed}, {case.method}")
            runs[one.key].append(run)
    return runs


def to_frame(key: str, runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run and measure."""
    rows = [
        (key, run.case.problem, run.case.method, run.case.seed, measure, value)
        for run in runs
        for measure, value in run.values.items()
    ]
    columns = ["chapter", "problem", "method", "seed", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def draw(
    group: str, caption: str, plot: Callable, size: tuple[float, float] = (4.6, 3.2)
) -> Figure:
    """Let a display draw on axes; the size is in inches."""
    figure = new_figure(*size)
    plot(ax=figure.subplots())
    return Figure(group, caption, to_png(figure))


def trust_values(distrusted: np.ndarray | None, bad: np.ndarray) -> dict[str, float]:
    """Shares of bad rows, of distrusted rows, and of bad rows among those; nan where unknown."""
    flagged = right = np.nan
    if distrusted is not None:
        flagged = np.mean(distrusted)
        right = np.mean(bad[distrusted]) if distrusted.any() else np.nan
    return {"bad": float(np.mean(bad)), "flagged": float(flagged), "right": float(right)}


def _run(one: Experiment, case: Case) -> Run:
    data = one.sample(case.problem, case.seed)
    settings = {"device": "cpu", "random_state": case.seed, **(one.quick if case.quick else {})}
    model = one.build(data, **settings)[one.methods.index(case.method)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        start = time.process_time()
        model.fit(data.X, data.y)
        values = {**one.judge(model, data), **trust_values(_distrusted(model), data.bad)}
        values["seconds"] = time.process_time() - start
        shown = one.show(case.method, model, data, case.problem) if case.with_figures else ()
        figures = list(shown)
    doubted = any("cannot be relied on" in str(warning.message) for warning in caught)
    return Run(case, values, figures, doubted)


def _distrusted(model: Any) -> np.ndarray | None:
    """Training rows that a fitted model distrusts, None if it does not say."""
    model = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(model, "inlier_mask_"):
        return ~model.inlier_mask_
    if hasattr(model, "outliers_"):  # HuberRegressor
        return model.outliers_
    return np.asarray(model.labels_) == 1 if hasattr(model, "decision_scores_") else None
