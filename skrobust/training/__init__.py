"""The robust training step, the skorch net that runs it, and what they need."""

from skrobust.training._batches import DeviceBatches, RowDataset
from skrobust.training._callbacks import EpochProgressBar, KeptShare
from skrobust.training._inference import CHUNK_ROWS, map_rows
from skrobust.training._net import RobustNet
from skrobust.training._record import TrainingRecord
from skrobust.training._row_gradients import RowGradients, per_sample_gradient_norms
from skrobust.training._step import RobustStep, StepState

__all__ = [
    "CHUNK_ROWS",
    "DeviceBatches",
    "EpochProgressBar",
    "KeptShare",
    "RobustNet",
    "RobustStep",
    "RowDataset",
    "RowGradients",
    "StepState",
    "TrainingRecord",
    "map_rows",
    "per_sample_gradient_norms",
]
