"""The README's tables of results, made of the committed CSV files.

``python -m benchmarks.thesis.readme`` writes them between the README's markers; a test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._results import ResultFile
from benchmarks.field import detect_adbench, poison_screen, tables, targets
from benchmarks.field._registry import BENCHMARKS as FIELD
from benchmarks.field._registry import RESULTS as FIELD_RESULTS
from benchmarks.thesis._detectors import PEERS
from benchmarks.thesis._registry import BENCHMARKS, RESULTS
from benchmarks.thesis._targets import TABLE_2_1, TABLE_4_2, TABLE_5_8
from benchmarks.thesis.rca_odds import DEFAULT

__all__ = ["BLOCKS", "fill", "headline_table", "odds_table", "people_table"]

README = Path(__file__).parents[2] / "README.md"
KEYS = ["set", "seed"]
OURS = ["RCADetector", "RobustRealNVPDetector"]


def read(name: str) -> pd.DataFrame:
    """Committed cells of a benchmark."""
    return ResultFile(RESULTS / f"{name}.csv", BENCHMARKS[name].load().VALUES).frame()


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a table, the first column to the left."""
    header = list(header)
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def odds_table() -> str:
    """Mean AUC and rank of our detectors among PyOD's, told the rate and not, and their time."""
    rca, nvp = read("rca-odds"), read("nvp-odds")
    named = {DEFAULT: OURS[0], "default": OURS[1]}
    ours = pd.concat([rca[rca["method"] == DEFAULT], nvp[nvp["method"] == "default"]])
    ours = ours.assign(method=ours["method"].map(named))
    peers = rca[rca["method"].isin(PEERS) & (rca["setting"] == "rate true")]
    columns, n_cells, left_out = {}, {}, set()
    for setting in ("rate true", "rate auto"):
        frame = pd.concat([ours[ours["setting"] == setting], peers])
        frame = frame[frame["set"].isin(TABLE_2_1)]
        complete = frame.groupby("method")["set"].nunique() == len(TABLE_2_1)
        left_out |= set(complete[~complete].index)
        frame = frame[frame["method"].map(complete)]
        cells = frame.pivot_table(index=KEYS, columns="method", values="auc").dropna()
        means = cells.groupby("set").mean()
        columns[f"mean AUC, {setting}"] = means.mean()
        columns[f"mean rank, {setting}"] = means.rank(axis=1, ascending=False).mean()
        n_cells[setting] = len(cells)
        if setting == "rate true":
            told = cells
            times = frame.groupby(["method", "set"])["seconds"].mean().groupby("method").sum()
    table = pd.DataFrame(columns).sort_values("mean rank, rate true")
    rows = [
        [
            f"**{name}**" if name in OURS else name.removeprefix("PyOD "),
            *(f"{table.loc[name, c]:.{2 if 'rank' in c else 3}f}" for c in table),
            f"{times[name] / 60:.1f}",
        ]
        for name in table.index
    ]
    header = ["", "AUC, true rate", "rank", 'AUC, "auto"', "rank", "minutes"]
    same = ""
    if n_cells["rate auto"] < n_cells["rate true"]:  # fewer seeds: a difference may be theirs
        on_same = told.loc[cells.index, OURS].groupby("set").mean().mean()
        figures = " and ".join(f"{on_same[name]:.3f} for {name}" for name in OURS)
        same = f", where the true one gives {figures}"
    note = (
        f"Test AUC after contaminated training, mean over {len(TABLE_2_1)} ODDS sets, and mean rank"
        f" among {len(table)} detectors; {n_cells['rate true']} pairs of set and seed with the true"
        f" rate, {n_cells['rate auto']} with an estimated one{same}. PyOD's detectors have their"
        " defaults and do not use the rate for their scores. Minutes: fit and score of all sets,"
        " one thread."
    )
    if left_out - set(OURS):
        note += f" {', '.join(sorted(left_out))} did not finish on every set."
    return f"{markdown(header, rows)}\n\n{note}"


def _mean(frame: pd.DataFrame, value: str, **chosen: str) -> float:
    for column, name in chosen.items():
        frame = frame[frame[column] == name]
    return float(frame[value].mean())


def _labels(setting: str) -> Callable[[], list[str]]:
    def row() -> list[str]:
        frame = read("prl-images")
        frame = frame[(frame["set"] == "fashion-mnist") & (frame["setting"] == setting)]
        names = ["Standard", "cleanlab", "Co-teaching", "default"]
        cells = frame.pivot_table(index="seed", columns="method", values="accuracy")[names]
        accuracy = (
            cells[["Standard", "Co-teaching", "default"]].dropna().mean().map("{:.1f}".format)
        )
        common = cells.dropna()
        cleanlab = f"{common['cleanlab'].mean():.1f} cleanlab"
        if len(common) < len(cells.dropna(subset="default")):
            seeds = ", ".join(map(str, common.index))
            cleanlab += f" (seed {seeds}, skrobust there {common['default'].mean():.1f})"
        thesis = TABLE_4_2[setting]
        kind, rate = setting.split()
        return [
            f"{float(rate):.0%} wrong labels ({kind}), Fashion-MNIST: accuracy in %",
            accuracy["Standard"],
            f"{cleanlab}, {accuracy['Co-teaching']} Co-teaching",
            accuracy["default"],
            f"{thesis['Standard']} → {thesis['Co-PRL(L)']} (CIFAR-10)",
        ]

    return row


def _targets() -> list[str]:
    frame = read("prl-regression")
    frame = frame[frame["setting"].str.split().str[0] != "clean"]
    cells = frame.pivot_table(index=[*KEYS, "setting"], columns="method", values="r2")
    names = ["Standard", "Huber", "default", "Standard on the clean rows"]
    means = cells[names].dropna().mean()
    return [
        "10 to 40 % wrong targets, four tables: mean R²",
        f"{means['Standard']:.2f}",
        f"{means['Huber']:.2f} Huber loss",
        f"{means['default']:.2f} ({means[names[-1]]:.2f} on the clean rows alone)",
        "",
    ]


def _audit() -> list[str]:
    frame = read("audit")
    frame = frame[frame["setting"].str.startswith(("symmetric", "pairflip"))]
    means = frame.groupby("method")["auroc"].mean()
    ours = means.pop("audit")
    same = means.pop("cleanlab self-confidence")
    return [
        "Which labels are wrong, 10 and 30 %, tables: AUROC",
        "",
        f"{same:.3f} cleanlab's self-confidence (the same ranking), {means.max():.3f} its next",
        f"{ours:.3f}",
        "",
    ]


def _backdoor(setting: str) -> Callable[[], list[str]]:
    def row() -> list[str]:
        frame = read("backdoor-mnist")
        where = {"set": "mnist", "setting": setting}

        def both(name: str) -> str:
            clean, poison = (
                _mean(frame, value, method=name, **where) for value in ("clean", "poison")
            )
            return f"{clean:.1f}/{poison:.1f}"

        trigger, rate = setting.split()
        return [
            f"{float(rate):.0%} poisoned ({trigger}), MNIST: clean/poison accuracy in %",
            both("Standard"),
            f"{both('SpecSig')} spectral signatures, {both('Fine-Pruning')} fine-pruning",
            f'{both("default")} (`noisy_label="prl"`)',
            f"{TABLE_5_8[setting]['PRL-AT']} PRL-AT",
        ]

    return row


HEADLINES = [
    _labels("pairflip 0.45"),
    _labels("symmetric 0.5"),
    _targets,
    _audit,
    _backdoor("patch 0.25"),
    _backdoor("blend 0.25"),
]


def headline_table() -> str:
    """One line per task: ordinary training, competitors, the library's default, the thesis."""
    header = ["", "ordinary training", "others", "skrobust", "thesis"]
    return markdown(header, [build() for build in HEADLINES])


_ALONE = "its network without selection"
_PEOPLE: dict[str, tuple[str | None, str | None]] = {
    "**PRLClassifier**, told the rate": ("PRLClassifier", "PRLClassifier"),
    "**PRLClassifier**, rate estimated": ("PRLClassifier auto", "PRLClassifier auto"),
    _ALONE: (_ALONE, _ALONE),
    "logistic regression": ("logistic regression", "logistic regression"),
    "cleanlab, then logistic regression or boosting": (
        "cleanlab + logistic regression",
        "cleanlab + boosting",
    ),
    "Co-PRL": ("Co-PRL", None),
    "Co-teaching": ("Co-teaching", None),
    "generalised cross-entropy": ("generalised cross-entropy", None),
    "random forest with leaves of 20": (None, "forest with leaves of 20"),
    "boosting": (None, "boosting"),
}


def people_table() -> str:
    """Accuracy on people's labels; AUC and balanced accuracy on tables not chosen on."""
    people = _read_field("labels-people").groupby(["method", "setting"])["accuracy"].mean()
    on_tables = _read_field("tables")
    on_tables = on_tables[on_tables["set"].isin(tables.REPORTED_ON)]
    wrong = on_tables[on_tables["setting"] != "clean"].groupby("method")
    clean = on_tables[on_tables["setting"] == "clean"].groupby("method")
    settings = ["worst", "random", "aggregate", "clean"]
    header = ["", *settings, "AUC", "balanced accuracy", "AUC, clean"]
    rows = []
    for name, (of_people, of_tables) in _PEOPLE.items():
        accuracy = [_shown(people.get((of_people, setting))) for setting in settings]
        others: list[float | None] = [None] * 3
        if of_tables is not None:
            means = wrong[["auc", "balanced_accuracy"]].mean().loc[of_tables]
            others = [*means, clean["auc"].mean().loc[of_tables]]
        rows.append([name, *accuracy, *map(_shown, others)])
    told = (
        "The first four columns: accuracy on CIFAR-10N, labels by paid annotators (40, 17, 9 and "
        "0 % wrong), on features of a frozen network. The others: "
        f"{len(tables.REPORTED_ON)} tables that no default was chosen on, mean of "
        f"{len(tables.KINDS) - 1} settings of wrong labels, and clean. "
        f"Means over one to three seeds. {_rates_on_tables()}"
    )
    return f"{markdown(header, rows)}\n\n{told}"


def _rates_on_tables() -> str:
    """How far off the estimated rates are."""
    frame = _read_field("tables")
    frame = frame[frame["set"].isin(tables.REPORTED_ON)]
    frame = frame[frame["method"] == "PRLClassifier auto"]
    errors = (frame["rate"] - frame["true_rate"]).abs()
    is_clean = frame["setting"] == "clean"
    return (
        f"Estimated rates are off by {errors[is_clean].mean():.3f} on clean tables and by "
        f"{errors[~is_clean].mean():.3f} on the others."
    )


_TARGETS = {
    "**PRLRegressor**, told the rate": "PRLRegressor",
    "**PRLRegressor**, rate estimated": "PRLRegressor auto",
    "its network without selection": "its network without selection",
    "Huber regression": "Huber",
    "boosting of absolute errors": "boosting of absolute errors",
    "boosting, filtered by boosting at the true rate": "filtered boosting",
    "random forest with leaves of 5": "forest with leaves of 5",
}


def targets_table() -> str:
    """R² on sets that no default was chosen on, by kind of wrong targets."""
    frame = _read_field("targets")
    frame = frame[frame["set"].isin(targets.REPORTED_ON)]
    frame = frame.assign(r2=frame["r2"].clip(lower=-1))
    means = frame.groupby(["method", "setting"])["r2"].mean()
    kinds = {
        "swap 0.4": "40 % exchanged",
        "shift 0.3": "30 % shifted",
        "scale 0.2": "20 % times 1,000",
        "stuck 0.4": "40 % stuck",
        "clean": "clean",
    }
    rows = [
        [name, *(_shown(means.get((method, kind))) for kind in kinds)]
        for name, method in _TARGETS.items()
    ]
    told = (
        f"R² on right targets, mean over {frame['set'].nunique()} sets that no default was chosen "
        f"on and {frame['seed'].nunique()} seeds; what is below -1 counts as -1."
    )
    return f"{markdown(['', *kinds.values()], rows)}\n\n{told}"


_POISON = {
    "**BackdoorRobustClassifier**": "screen",
    "the same network without a defence": "plain",
    '`noisy_label="prl"`, told 20 %': "Algorithm 6",
    "spectral signatures, told the rate of the label": "spectral signatures",
    "activation clustering": "activation clustering",
    "fine-pruning, with clean rows": "fine-pruning",
}
_POISON_COLUMNS = [
    ("mnist", "none"),
    ("mnist", "patch 1 %"),
    ("mnist", "patch 5 %"),
    ("mnist", "patch 10 %"),
    ("mnist", "all-to-all 20 %"),
    ("fashion-mnist", "none"),
    ("fashion-mnist", "patch 5 %"),
    ("fashion-mnist", "all-to-all 20 %"),
    ("cifar10 features", "columns 5 %"),
]


def poison_table() -> str:
    """Accuracy on clean rows and success of attacks, without one and of several kinds."""
    frame = _read_field("poison-screen")
    values = frame.groupby(["method", "set", "setting"])[["accuracy", "success"]].mean()

    def shown(method: str, place: tuple[str, str]) -> str:
        if (method, *place) not in values.index:
            return ""
        accuracy, success = 100 * values.loc[(method, *place)]
        return f"{accuracy:.1f}" + ("" if np.isnan(success) else f"/{success:.1f}")

    header = ["", *(f"{name}, {setting}" for name, setting in _POISON_COLUMNS)]
    rows = [[name, *(shown(m, place) for place in _POISON_COLUMNS)] for name, m in _POISON.items()]
    told = (
        "Accuracy on clean rows/success of the attack, in %. 8,000 training rows; patch and "
        "columns want one label, all-to-all makes every label the next one. Means over one to "
        f"three seeds. {_found_by_screening(frame)}"
    )
    return f"{markdown(header, rows)}\n\n{told}"


def _found_by_screening(frame: pd.DataFrame) -> str:
    keys = ["set", "setting", "seed"]
    plain = frame[frame["method"] == "plain"].set_index(keys)["success"]
    screened = frame[frame["method"] == "screen"].set_index(keys)
    taken = screened[plain.reindex(screened.index) >= poison_screen.TAKEN]
    clean = screened[screened["success"].isna()]
    return (
        f"Of {len(taken)} attacks that the plain network takes in, on four sets, the labels of "
        f"{taken['flagged_right'].sum():.0f} are flagged exactly; success after it is "
        f"{100 * taken['success'].mean():.1f} % on average and "
        f"{100 * taken['success'].max():.1f} % "
        f"at worst. Of {len(clean)} runs without an attack (some with wrong labels or unequal "
        f"classes), {len(clean) - clean['flagged_right'].sum():.0f} have a label flagged."
    )


def anomalies_table() -> str:
    """Anomalies on 30 tables: our detectors beside PyOD's."""
    header, rows, note = detect_adbench.readme_table(_read_field("detect-adbench"))
    return f"{markdown(header, rows)}\n\n{note}"


def _read_field(name: str) -> pd.DataFrame:
    """Committed cells of a benchmark on data that nobody here made."""
    path = FIELD_RESULTS / f"{name}.csv"
    return ResultFile(path, FIELD[name].load().VALUES).frame()


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


BLOCKS: Mapping[str, Callable[[], str]] = {
    "people": people_table,
    "targets": targets_table,
    "poison": poison_table,
    "anomalies": anomalies_table,
    "odds": odds_table,
    "headlines": headline_table,
}


def fill(text: str) -> str:
    """Put the tables between the markers of a text.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    for name, build in BLOCKS.items():
        begin, end = (f"<!-- {name}: {what} -->" for what in ("begin", "end"))
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the text has no one place between {begin!r} and {end!r}")
        before, after = pattern.split(text)
        text = f"{before}{begin}\n{build()}\n{end}{after}"
    return text


def main() -> int:
    """Rewrite the README."""
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
