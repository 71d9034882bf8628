"""Make corrupted copies of labels, targets and tables, together with what was corrupted."""

from skrobust.corruption._labels import corrupt_labels
from skrobust.corruption._missing import mask_missing
from skrobust.corruption._poison import attack_targets, poison
from skrobust.corruption._targets import corrupt_targets
from skrobust.corruption._triggers import (
    BlendTrigger,
    PatchTrigger,
    SinusoidalTrigger,
    TabularTrigger,
    Trigger,
    WarpTrigger,
)

__all__ = [
    "BlendTrigger",
    "PatchTrigger",
    "SinusoidalTrigger",
    "TabularTrigger",
    "Trigger",
    "WarpTrigger",
    "attack_targets",
    "corrupt_labels",
    "corrupt_targets",
    "mask_missing",
    "poison",
]
