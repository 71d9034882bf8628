"""Our numbers and the thesis's in one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from skrobust.benchmarks import _targets
from skrobust.benchmarks.rca_missing import win_counts

__all__ = ["SIDE_BY_SIDE", "SideBySide", "difference"]

Tables = tuple[pd.DataFrame, pd.DataFrame]


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


def difference(ours: object, thesis: object, tolerance: float) -> int:
    """Compare two entries.

    Parameters
    ----------
    ours, thesis : float or str
        Numbers, or several in one text, such as "96.5/96.4".
    tolerance : float
        What counts as none.

    Returns
    -------
    int
        -1 if one of our numbers is lower, 1 if one is higher and none lower, 0 otherwise, also
        where there is nothing to compare.
    """
    pairs = list(zip(_numbers(ours), _numbers(thesis), strict=False))
    gaps = [round(a - b, 6) for a, b in pairs]
    if any(gap < -tolerance for gap in gaps):
        return -1
    return int(any(gap > tolerance for gap in gaps))


def _numbers(entry: object) -> list[float]:
    found = re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", str(entry))
    return [] if "nan" in str(entry) else [float(number) for number in found]


def _means(frame: pd.DataFrame, rows: str, value: str, digits: int = 3) -> pd.DataFrame:
    return frame.pivot_table(index=rows, columns="method", values=value).round(digits)


def _odds(thesis: dict[str, tuple[float, float]], methods: list[str]) -> Callable:
    def build(frame: pd.DataFrame) -> Tables:
        chosen = frame[(frame["setting"] == "rate true") & frame["set"].isin(thesis)]
        printed = pd.DataFrame(thesis, index=methods).T
        return _means(chosen, "set", "auc").reindex(printed.index)[methods], printed

    return build


def _poisoned(thesis: dict[str, dict[str, str]], name: str) -> Callable:
    def build(frame: pd.DataFrame) -> Tables:
        means = frame[frame["set"] == name].groupby(["setting", "method"])[["clean", "poison"]]
        both = means.mean().round(1).astype(str)
        printed = pd.DataFrame(thesis).T
        ours = (both["clean"] + "/" + both["poison"]).unstack("method")
        shown = [*printed, *(method for method in ["default"] if method in ours)]
        return ours.reindex(index=printed.index, columns=shown), printed

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
    return win_counts(frame), pd.DataFrame(_targets.TABLE_2_2).T


def _wrong_rate(frame: pd.DataFrame) -> Tables:
    printed = pd.DataFrame(_targets.TABLE_2_3).T
    table = frame[frame["method"] == "RCA"].pivot_table(
        index="set", columns="setting", values="auc"
    )
    return table.round(3).reindex(columns=list(printed)), printed


def _pictures(frame: pd.DataFrame) -> Tables:
    chosen = frame[frame["set"] == "fashion-mnist"]
    return _means(chosen, "setting", "accuracy", 2), pd.DataFrame(_targets.TABLE_4_2).T


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
    turns = frame.pivot_table(index="seed", columns="method", values="step_seconds")
    ratios = turns.div(turns["Standard"], axis=0).median().round(2)
    printed = pd.Series(_targets.TABLE_4_6)
    name = "time / time of Standard"
    printed = (printed / printed["Standard"]).round(2)
    return ratios.to_frame(name), printed.to_frame(name)


SIDE_BY_SIDE = {
    "rca-odds": SideBySide("test AUC", _odds(_targets.TABLE_2_1, ["RCA", "AE"]), 0.01),
    "rca-missing": SideBySide("sets that RCA won-drew-lost", _missing, float("inf")),
    "rca-epsilon": SideBySide("test AUC of RCA", _wrong_rate, 0.01),
    "nvp-odds": SideBySide(
        "test AUC", _odds(_targets.TABLE_3_1, ["RobustRealNVP", "RealNVP"]), 0.01
    ),
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
    "prl-time": SideBySide("ratio", _times, 0.1, "thesis: GPU; here: CPU"),
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
    "backdoor-mnist": SideBySide(
        "clean/poison accuracy in %",
        _poisoned(_targets.TABLE_5_8, "mnist"),
        1.0,
        "thesis: 60,000 pictures, ResNet-32; here: 12,000, SmallCNN",
    ),
}
