"""Make corrupted copies of labels, targets and tables, together with what was corrupted."""

from skrobust.corruption._noise import corrupt_labels, corrupt_targets, mask_missing
from skrobust.corruption._poison import attack_targets, poison
from skrobust.corruption._triggers import (
    BlendTrigger,
    ContrastTrigger,
    PatchTrigger,
    SinusoidalTrigger,
    TabularTrigger,
    Trigger,
    WarpTrigger,
)

__all__ = [
    "BlendTrigger",
    "ContrastTrigger",
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
