"""What a section of the report is, and the loop that runs all of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skrobust._device import limited_threads
from skrobust._random import contained_seeding

__all__ = [
    "Case",
    "Column",
    "Figure",
    "Part",
    "Run",
    "Section",
    "run_sections",
    "to_frame",
    "trust_values",
]


@dataclass(frozen=True)
class Case:
    """One method on one draw of one problem.

    Attributes
    ----------
    problem, method : str
        Keys of the section's problems and methods.
    seed : int
        Of draw and method.
    quick : bool
        Whether small networks and little training will do.
    """

    problem: str
    method: str
    seed: int
    quick: bool = False


@dataclass(frozen=True)
class Run:
    """What came of a case.

    Attributes
    ----------
    case : Case
        What was run.
    values : dict of str to float
        By measure. "bad": share of bad training rows; "flagged": share of the training rows that
        the method distrusts; "right": share of bad ones among those; "seconds": processor time.
        nan where a method does not say.
    details : object
        What the section's pictures need.
    doubted : bool
        Whether an estimate came with a warning that it cannot be relied on.
    """

    case: Case
    values: Mapping[str, float]
    details: Any
    doubted: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a section's table: mean over the seeds.

    Attributes
    ----------
    title : str
        Its header.
    measure : str
        Key of the runs' values.
    problem : str or None
        Whose runs; None takes the mean over all problems.
    form : {"number", "percent", "seconds"}
        "number" has a standard deviation, "seconds" is a median.
    best : {"high", "low", None}
        Which value is marked.
    """

    title: str
    measure: str
    problem: str | None = None
    form: str = "number"
    best: str | None = None


@dataclass(frozen=True)
class Figure:
    """A picture as PNG bytes, its caption, and what it shows for those who do not see it."""

    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True)
class Part:
    """Pictures under a title and a text."""

    title: str
    text: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Section:
    """A chapter of the thesis as a small experiment. All texts are plain.

    Attributes
    ----------
    key : str
        In the results' column ``chapter``.
    title, lead : str
        What is done.
    problems : dict of str to object
        What is drawn, by name.
    stories : sequence of str
        A sentence on each problem.
    methods : dict of str to object
        What is trained, by name.
    measure : callable
        Runs a case; returns values and details.
    draw : callable
        Makes the parts from all runs.
    columns : sequence of Column
        The table.
    note : str
        What the table's numbers are.
    main : str
        The measure that the headline gives.
    main_words : str
        What it is.
    robust, plain : str
        The methods whose difference is the point.
    bad : str
        What bad training rows are called.
    limit : str
        When it fails.
    settings : str
        What the methods were told.
    higher : bool
        Whether a high value of the main measure is good.
    """

    key: str
    title: str
    lead: str
    problems: Mapping[str, Any]
    stories: Sequence[str]
    methods: Mapping[str, Any]
    measure: Callable[[Case], tuple[dict[str, float], Any]]
    draw: Callable[[Sequence[Run]], list[Part]]
    columns: Sequence[Column]
    note: str
    main: str
    main_words: str
    robust: str
    plain: str
    bad: str
    limit: str
    settings: str
    higher: bool = True

    def cases(self, seeds: Iterable[int], quick: bool) -> list[Case]:
        """Every method on every problem under every seed."""
        plan = product(self.problems, seeds, self.methods)
        return [Case(problem, method, seed, quick) for problem, seed, method in plan]


def run_sections(
    sections: Sequence[Section], seeds: Sequence[int], quick: bool = False, n_jobs: int = 1
) -> dict[str, list[Run]]:
    """Run all cases of all sections, with one progress bar.

    Parameters
    ----------
    sections : sequence of Section
        What to run.
    seeds : sequence of int
        One draw and one training per seed, problem and method.
    quick : bool, default=False
        Small networks and little training.
    n_jobs : int, default=1
        Processes that share the cases; the results are the same with any number.

    Returns
    -------
    dict of str to list of Run
        By the section's key.
    """
    plan = [(section, case) for section in sections for case in section.cases(seeds, quick)]
    runs: dict[str, list[Run]] = {section.key: [] for section in sections}
    done = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_run)(section, case) for section, case in plan
    )
    with tqdm(plan, desc="demo", unit="fit") as bar:
        for (section, case), run in zip(bar, done, strict=True):
            bar.set_postfix_str(f"{case.problem}, seed {case.seed}, {case.method}")
            runs[section.key].append(run)
    return runs


def to_frame(key: str, runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run and measure, in the order of the runs.

    Parameters
    ----------
    key : str
        The section's key.
    runs : iterable of Run
        Its runs.

    Returns
    -------
    DataFrame
        Columns ``chapter``, ``problem``, ``method``, ``seed``, ``measure``, ``value``.
    """
    rows = [
        (key, run.case.problem, run.case.method, run.case.seed, measure, value)
        for run in runs
        for measure, value in run.values.items()
    ]
    columns = ["chapter", "problem", "method", "seed", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def trust_values(distrusted: np.ndarray | None, bad: np.ndarray) -> dict[str, float]:
    """Compare the training rows that a method distrusts with those that are bad.

    Parameters
    ----------
    distrusted : array of shape (n,), bool, or None
        None for methods that do not say.
    bad : array of shape (n,), bool
        The truth.

    Returns
    -------
    dict of str to float
        "bad", "flagged" and "right", see :class:`Run`.
    """
    share = float(np.mean(bad))
    if distrusted is None:
        return {"bad": share, "flagged": np.nan, "right": np.nan}
    right = float(np.mean(bad[distrusted])) if distrusted.any() else np.nan
    return {"bad": share, "flagged": float(np.mean(distrusted)), "right": right}


def _run(section: Section, case: Case) -> Run:
    with (
        contained_seeding(case.seed),
        limited_threads(1),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always", UserWarning)
        start = time.process_time()
        values, details = section.measure(case)
        seconds = time.process_time() - start
    doubted = any("cannot be relied on" in str(one.message) for one in caught)
    return Run(case, {**values, "seconds": seconds}, details, doubted)
