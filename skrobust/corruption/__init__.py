"""Make corrupted copies of labels, targets and tables, together with what was corrupted."""

from skrobust.corruption._labels import corrupt_labels
from skrobust.corruption._missing import mask_missing
from skrobust.corruption._targets import corrupt_targets

__all__ = ["corrupt_labels", "corrupt_targets", "mask_missing"]
