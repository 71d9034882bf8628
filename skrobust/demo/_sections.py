"""The sections of the report, in the order of the thesis's chapters."""

from skrobust.demo._anomalies import ANOMALIES
from skrobust.demo._backdoor import BACKDOOR
from skrobust.demo._density import DENSITY
from skrobust.demo._labels import LABELS
from skrobust.demo._targets import TARGETS

__all__ = ["SECTIONS"]

SECTIONS = (ANOMALIES, DENSITY, LABELS, TARGETS, BACKDOOR)
