"""Every table and figure of the thesis, and what there is of it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = [
    "GPU",
    "ITEMS",
    "NOTHING",
    "NO_DATA",
    "PARTLY",
    "REPRODUCED",
    "Item",
    "draw_filtering",
    "listing",
]

State = Literal["reproduced", "partly", "needs a GPU", "data not supplied", "no measurement"]
REPRODUCED: State = "reproduced"
PARTLY: State = "partly"
GPU: State = "needs a GPU"
NO_DATA: State = "data not supplied"
NOTHING: State = "no measurement"


@dataclass(frozen=True)
class Item:
    """A table or figure of the thesis.

    Parameters
    ----------
    name : str
        As it is numbered there.
    what : str
        What it shows.
    state : str
        "reproduced": its data and methods. "partly": other data, smaller sizes, or not all rows.
        "needs a GPU" and "data not supplied" say what is lacking; a benchmark named beside it has
        its form on other data. "no measurement": an illustration or a list.
    where : str
        Name of the benchmark, or of what else shows it.
    note : str
        What differs.
    draw : callable or None
        Draws what no benchmark does; returns a matplotlib figure.
    """

    name: str
    what: str
    state: State
    where: str = ""
    note: str = ""
    draw: Callable[[], Any] | None = None

    @property
    def anchor(self) -> str:
        """Name of its section on the page, and of its picture among the results, less ".png"."""
        return self.name.lower().replace(" ", "-")


def draw_filtering():
    """Draw Figure 4.1 from planted wrong targets; returns a matplotlib figure.

    The thesis gives no data. Here a fifth of 200 targets on a line is -8. The committed picture is
    made by ``draw_filtering().savefig("benchmarks/thesis/results/figure-4.1.png", dpi=100)``.
    """
    from skrobust.plotting import LossSurfaceDisplay

    rng = np.random.RandomState(0)
    x = rng.normal(size=200)
    wrong = np.arange(200) < 40
    y = np.where(wrong, -8.0, 2 * x + 0.1 * rng.normal(size=200))
    return LossSurfaceDisplay.from_predictions(x, y, wrong).figure_


ITEMS = [
    Item(
        "Table 1.1",
        "Correlations of changes in land use, all lakes",
        NO_DATA,
        "intro-lagos",
        "the changes are not published; six other variables of the same lakes",
    ),
    Item("Table 1.2", "The same without outliers", NO_DATA, "intro-lagos", "as Table 1.1"),
    Item(
        "Table 1.3",
        "Phosphorus of lakes by linear regression, with and without outliers",
        PARTLY,
        "intro-lagos",
        "2,555 complete lakes instead of 10,470 observations with other predictors",
    ),
    Item("Figure 1.1", "A backdoor attack, illustrated", NOTHING, "TriggerDisplay"),
    Item("Figure 2.1", "RCA, illustrated", NOTHING),
    Item("Figure 2.2", "Autoencoders on two moons", REPRODUCED, "rca-moons"),
    Item(
        "Table 2.1",
        "Anomaly detection on ODDS",
        PARTLY,
        "rca-odds",
        "18 of 19 sets (sensor is not published); DAGMM is not part of PyOD",
    ),
    Item(
        "Table 2.2",
        "Anomaly detection with missing cells",
        PARTLY,
        "rca-missing",
        "sets below 4,000 rows, without DAGMM; its first line is rca-odds",
    ),
    Item("Table 2.3", "RCA told a wrong rate", PARTLY, "rca-epsilon", "sets below 4,000 rows"),
    Item(
        "Figure 2.3", "RCA with variational autoencoders", PARTLY, "rcvae", "sets below 4,000 rows"
    ),
    Item("Figure 2.4", "RCA with more networks", PARTLY, "k-rca", "sets below 4,000 rows"),
    Item(
        "Figure 3.1",
        "Densities with a cluster of anomalies",
        PARTLY,
        "moons-density",
        "a tighter cluster, that of Figure 3.3",
    ),
    Item("Figure 3.2", "Densities with uniform anomalies", REPRODUCED, "moons-density"),
    Item("Figure 3.3", "Densities with clustered anomalies", REPRODUCED, "moons-density"),
    Item("Table 3.1", "Flows on ODDS", PARTLY, "nvp-odds", "its other methods are in rca-odds"),
    Item(
        "Table 3.2",
        "Flows on image features",
        PARTLY,
        "nvp-features",
        "features of other networks than the thesis's VGG19",
    ),
    Item("Figure 3.4", "What the spectral constraint adds", REPRODUCED, "nvp-odds"),
    Item("Figure 3.5", "Flows told a wrong rate", PARTLY, "nvp-epsilon", "as Table 3.2"),
    Item("Figure 3.6", "Flows at high rates", PARTLY, "nvp-epsilon", "as Table 3.2"),
    Item(
        "Figure 4.1",
        "Filtering by loss and by gradient",
        PARTLY,
        "LossSurfaceDisplay",
        "planted data, where either finds the wrong rows; the thesis shows where they fail",
        draw_filtering,
    ),
    Item(
        "Table 4.1",
        "Regression on wrong targets, CelebA",
        NO_DATA,
        "prl-regression",
        "four tables instead; runs on CelebA where its files are supplied",
    ),
    Item(
        "Table 4.2",
        "Classification with wrong labels",
        PARTLY,
        "prl-images",
        "MNIST and Fashion-MNIST; CIFAR-10 needs a GPU, CIFAR-100 is not supplied",
    ),
    Item("Table 4.3", "Hyperparameters", NOTHING, "", "for classification they are the defaults"),
    Item("Table 4.4", "A wrong rate of wrong labels", PARTLY, "prl-epsilon", "as Table 4.2"),
    Item(
        "Table 4.5",
        "Nutrients of lakes",
        PARTLY,
        "prl-lagos",
        "5,461 and 3,942 lakes with known targets instead of 10,470 rows",
    ),
    Item(
        "Table 4.6",
        "Time of an epoch",
        PARTLY,
        "prl-time",
        "ratios on a CPU instead of seconds on the thesis's GPU",
    ),
    Item("Figure 4.2", "Test curves on CelebA", NO_DATA, "TrainingCurveDisplay"),
    Item("Figure 4.3", "Test curves on CIFAR", GPU, "TrainingCurveDisplay"),
    Item("Table 5.1", "Poisoned CIFAR-10", GPU, "backdoor-cifar"),
    Item("Table 5.2", "Poisoned CIFAR-100", NO_DATA, "", "backdoor-cifar runs CIFAR-10 only"),
    Item(
        "Table 5.3",
        "Few labels, poisoned",
        PARTLY,
        "backdoor-semi",
        "Fashion-MNIST; CIFAR-10 needs a GPU",
    ),
    Item("Table 5.4", "An assumed rate of one half", PARTLY, "backdoor-epsilon", "MNIST"),
    Item("Table 5.5", "Defences against wrong labels, a list", NOTHING),
    Item(
        "Table 5.6",
        "Either part alone, CIFAR-10",
        PARTLY,
        "backdoor-ablation",
        "MNIST; the thesis's columns look exchanged",
    ),
    Item("Table 5.7", "Either part alone, CIFAR-100", NO_DATA, "backdoor-ablation", "MNIST"),
    Item(
        "Table 5.8",
        "Poisoned MNIST",
        PARTLY,
        "backdoor-mnist",
        "12,000 pictures and a small network; ResNet-32 for the default",
    ),
    Item("Figure 5.1", "The defence, illustrated", NOTHING, "TriggerDisplay"),
    Item("Figure 5.2", "Poisoned pictures", REPRODUCED, "backdoor-mnist"),
    Item("Figure 5.3", "Label flipping by features", NOTHING, "LabelFlipDisplay"),
]


def listing() -> str:
    """All items with state and place, one line each."""
    lines = []
    for item in ITEMS:
        note = f" ({item.note})" if item.note else ""
        lines.append(f"{item.name:11} {item.state:18} {item.where:21} {item.what}{note}")
    return "\n".join(lines)
