"""Our numbers and the thesis's in one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from benchmarks.thesis import _targets
from benchmarks.thesis.prl_time import turn_ratios
from benchmarks.thesis.rca_missing import COLUMNS, win_counts

__all__ = ["SIDE_BY_SIDE", "SideBySide", "differences"]

Tables = tuple[pd.DataFrame, pd.DataFrame]
_CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_RULES, _PARTS = ("PRL", "SPL", "Bootstrap"), ("inner", "outer")


@dataclass(frozen=True)
class SideBySide:
    """A table of the thesis and how ours of the same form is made.

    Parameters
    ----------
    value : str
        What the numbers are.
    build : callable
        Maps the measured cells to our table and the thesis's, with the same names of rows and
        columns.
    tolerance : float
        Differences up to it count as none.
    data : str
        Where the thesis's data are other ones: which are whose.
    """

    value: str
    build: Callable[[pd.DataFrame], Tables]
    tolerance: float
    data: str = ""


def differences(ours: object, thesis: object, tolerance: float) -> list[int]:
    """Compare the numbers of two entries.

    Parameters
    ----------
    ours, thesis : float or str
        Numbers, or several in one text, such as "96.5/96.4"; ours also one with its spread, such as
        "1.03 (0.97 to 1.54)", within which no difference counts.
    tolerance : float
        What counts as none.

    Returns
    -------
    list of int
        For each of our numbers -1 if it is lower, 1 if it is higher, 0 otherwise; empty where
        there is nothing to compare.
    """
    spread = re.search(r"\((\S+) to (\S+)\)", str(ours))
    low, high = map(float, spread.groups()) if spread else (float("inf"), -float("inf"))
    pairs = list(zip(_numbers(ours), _numbers(thesis), strict=False))
    gaps = (0.0 if low <= b <= high else round(a - b, 6) for a, b in pairs)
    return [(gap > tolerance) - (gap < -tolerance) for gap in gaps]


def _numbers(entry: object) -> list[float]:
    found = re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", str(entry))
    return [] if "nan" in str(entry) else [float(number) for number in found]


def _means(frame: pd.DataFrame, rows: str, value: str, digits: int = 3) -> pd.DataFrame:
    return frame.pivot_table(index=rows, columns="method", values=value).round(digits)


def _renamed(ours: pd.DataFrame, thesis: pd.DataFrame, names: Mapping[str, str]) -> Tables:
    """Give our columns the thesis's names; all of the thesis's, and the library's default."""
    ours = ours.rename(columns=names)
    more = [name for name in ["default"] if name in ours]
    return ours.reindex(columns=[*thesis, *more]), thesis


def _odds(thesis: dict[str, dict[str, float]], names: Mapping[str, str]) -> Callable:
    def build(frame: pd.DataFrame) -> Tables:
        chosen = frame[(frame["setting"] == "rate true") & frame["set"].isin(thesis)]
        printed = pd.DataFrame(thesis).T
        return _renamed(_means(chosen, "set", "auc").reindex(printed.index), printed, names)

    return build


def _features(frame: pd.DataFrame) -> Tables:
    known = {f"CIFAR10_{i}": name for i, name in enumerate(_CIFAR)}
    parts = frame["set"].str.rsplit("-", n=1, expand=True)
    frame = frame.assign(row=parts[0].map(known) + "-" + parts[1]).dropna(subset="row")
    return _renamed(_means(frame, "row", "auc"), pd.DataFrame(_targets.TABLE_3_2).T, {})


def _phosphorus(frame: pd.DataFrame) -> Tables:
    printed = pd.DataFrame({"R²": _targets.TABLE_1_3})
    ours = frame[frame["set"] == "tp"].groupby("method")["r2"].mean().round(2)
    return ours.to_frame("R²"), printed


def _poisoned(
    thesis: dict[str, dict[str, str]], name: str, names: Mapping[str, str] | None = None
) -> Callable:
    def build(frame: pd.DataFrame) -> Tables:
        means = frame[frame["set"] == name].groupby(["setting", "method"])[["clean", "poison"]]
        both = means.mean().round(1).astype(str)
        printed = pd.DataFrame(thesis).T
        ours = (both["clean"] + "/" + both["poison"]).unstack("method")
        return _renamed(ours.reindex(printed.index), printed, names or {})

    return build


def _told_half(frame: pd.DataFrame) -> Tables:
    return _poisoned(
        {
            f"{trigger} {rate}": {"PRL-AT": printed}
            for trigger, row in _targets.TABLE_5_4.items()
            for rate, printed in row.items()
        },
        "mnist",
    )(frame)


def _missing(frame: pd.DataFrame) -> Tables:
    return _renamed(win_counts(frame), pd.DataFrame(_targets.TABLE_2_2).T, {})


def _wrong_rate(frame: pd.DataFrame) -> Tables:
    printed = pd.DataFrame(_targets.TABLE_2_3).T
    table = frame[frame["method"] == "RCA"].pivot_table(
        index="set", columns="setting", values="auc"
    )
    return table.round(3).reindex(columns=list(printed)), printed


def _pictures(frame: pd.DataFrame) -> Tables:
    chosen = frame[frame["set"] == "fashion-mnist"]
    # the published code's bootstrap is the hard one
    names = {"norm clip": "Normclip", "Bootstrap hard": "Bootstrap", "Min-SGD": "Min-sgd"}
    table = _means(chosen, "setting", "accuracy", 2)
    return _renamed(table, pd.DataFrame(_targets.TABLE_4_2).T, names)


def _wrong_label_rate(frame: pd.DataFrame) -> Tables:
    chosen = frame[(frame["set"] == "fashion-mnist") & (frame["method"] == "Co-PRL(L)")]
    parts = chosen["setting"].str.rsplit(" ", n=1, expand=True)
    chosen = chosen.assign(corruption=parts[0], added=parts[1].astype(float))
    table = chosen.pivot_table(index="corruption", columns="added", values="accuracy")
    return table.round(2), pd.DataFrame(_targets.TABLE_4_4).T


def _lakes(frame: pd.DataFrame) -> Tables:
    named = {"PRL(L)": "PRL", "Standard": "Standard", "default": "default"}
    table = frame.assign(row=frame["set"] + " " + frame["setting"])
    table = _means(table, "row", "r2", 2)
    table = table[[name for name in named if name in table]].rename(columns=named)
    printed = {" ".join(key): row for key, row in _targets.TABLE_4_5.items()}
    return table, pd.DataFrame(printed, index=["PRL", "Standard"]).T


def _times(frame: pd.DataFrame) -> Tables:
    ratios = turn_ratios(frame)
    middle, low, high = (ratios.quantile(q).map("{:.2f}".format) for q in (0.5, 0, 1))
    printed = pd.Series(_targets.TABLE_4_6)
    name = "time / time of Standard"
    printed = (printed / printed["Standard"]).round(2)
    return (middle + " (" + low + " to " + high + ")").to_frame(name), printed.to_frame(name)


SIDE_BY_SIDE = {
    "intro-lagos": SideBySide(
        "R² of phosphorus by what removes 5 % of the training rows",
        _phosphorus,
        0.02,
        "thesis: 10,470 observations, other predictors; here: 2,555 lakes",
    ),
    "rca-odds": SideBySide(
        "test AUC", _odds(_targets.TABLE_2_1, {**COLUMNS, "RCA margin 1": "default"}), 0.01
    ),
    "rca-missing": SideBySide("sets that RCA won-drew-lost", _missing, float("inf")),
    "rca-epsilon": SideBySide("test AUC of RCA", _wrong_rate, 0.01),
    "nvp-odds": SideBySide("test AUC", _odds(_targets.TABLE_3_1, {}), 0.01),
    "nvp-features": SideBySide("test AUC", _features, 0.01, "features of other networks"),
    "prl-images": SideBySide(
        "test accuracy in %", _pictures, 1.0, "thesis: CIFAR-10; here: Fashion-MNIST"
    ),
    "prl-epsilon": SideBySide(
        "test accuracy in % of Co-PRL(L) by what is added to the rate",
        _wrong_label_rate,
        1.0,
        "thesis: CIFAR-10; here: Fashion-MNIST",
    ),
    "prl-lagos": SideBySide("R²", _lakes, 0.02),
    "prl-time": SideBySide(
        "median ratio of the turns",
        _times,
        0.1,
        "thesis: GPU; here: CPU. In brackets the lowest and highest turn, inside which nothing is "
        "marked: the seconds of this noisy machine vary that much, so the ratio within a turn is "
        "what counts",
    ),
    "backdoor-cifar": SideBySide(
        "clean/poison accuracy in %", _poisoned(_targets.TABLE_5_1, "cifar10"), 1.0
    ),
    "backdoor-semi": SideBySide(
        "clean/poison accuracy in %",
        _poisoned(_targets.TABLE_5_3, "fashion-mnist few"),
        1.0,
        "thesis: CIFAR-10; here: Fashion-MNIST",
    ),
    "backdoor-epsilon": SideBySide(
        "clean/poison accuracy in %, told 0.5", _told_half, 1.0, "thesis: CIFAR-10; here: MNIST"
    ),
    "backdoor-ablation": SideBySide(
        "clean/poison accuracy in %",
        _poisoned(
            _targets.TABLE_5_6,
            "mnist",
            {f"{rule} {part} only": f"{rule}-{part}" for rule in _RULES for part in _PARTS},
        ),
        1.0,
        "thesis: CIFAR-10, as printed, where inner and outer look exchanged; here: MNIST",
    ),
    "backdoor-mnist": SideBySide(
        "clean/poison accuracy in %",
        _poisoned(_targets.TABLE_5_8, "mnist"),
        1.0,
        "thesis: 60,000 pictures, ResNet-32; here: 12,000, SmallCNN",
    ),
}
