"""Tables 5.1 and 5.2: classifiers trained on poisoned pictures of CIFAR-10, for a GPU.

The chapter's settings: 38,000 training pictures, the 32-layer network, AdamW at 3e-4, 100 epochs.
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Grid
from benchmarks.thesis._poisoned import (
    ALTERNATIVES,
    METHODS,
    POISON_VALUES,
    measure_cell,
    render_poisoned,
)
from benchmarks.thesis._targets import TABLE_5_1
from benchmarks.thesis.backdoor_mnist import SETTINGS

VALUES = POISON_VALUES
measure = measure_cell

cells = Grid(["cifar10"], SETTINGS, METHODS, more_methods=ALTERNATIVES)


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by setting and method, row AUROC, and the thesis's accuracies."""
    return render_poisoned(frame, TABLE_5_1, "CIFAR-10 with ResNet-32, 100 epochs")
