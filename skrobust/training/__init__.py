"""The robust training step, the skorch net that runs it, and what they need."""

from skrobust._device import CHUNK_ROWS, map_rows
from skrobust.training._callbacks import EpochProgressBar, KeptShare
from skrobust.training._net import DeviceBatches, RobustNet, RowDataset, count_batches
from skrobust.training._record import StepState, Trained, TrainingRecord
from skrobust.training._row_gradients import RowGradients, per_sample_gradient_norms
from skrobust.training._step import (
    ByRowGradients,
    RobustStep,
    ScoredApart,
    SharedPass,
    TrainingStep,
)

__all__ = [
    "CHUNK_ROWS",
    "ByRowGradients",
    "DeviceBatches",
    "EpochProgressBar",
    "KeptShare",
    "RobustNet",
    "RobustStep",
    "RowDataset",
    "RowGradients",
    "ScoredApart",
    "SharedPass",
    "StepState",
    "Trained",
    "TrainingRecord",
    "TrainingStep",
    "count_batches",
    "map_rows",
    "per_sample_gradient_norms",
]
