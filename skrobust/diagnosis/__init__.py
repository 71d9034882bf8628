"""Which rows are not trusted, and how many."""

from skrobust.diagnosis._anomalies import estimate_contamination
from skrobust.diagnosis._audit import LabelAudit, audit_labels
from skrobust.diagnosis._filter import RobustFilter, RowFilter
from skrobust.diagnosis._frame import DiagnosisMixin, row_scores
from skrobust.diagnosis._rate import (
    FALLBACK_RATE,
    LEAST_ROWS,
    CorruptionEstimate,
    few_rows,
    wrong_label_rate,
)
from skrobust.diagnosis._target_rate import wrong_target_rate

__all__ = [
    "FALLBACK_RATE",
    "LEAST_ROWS",
    "CorruptionEstimate",
    "DiagnosisMixin",
    "LabelAudit",
    "RobustFilter",
    "RowFilter",
    "audit_labels",
    "estimate_contamination",
    "few_rows",
    "row_scores",
    "wrong_label_rate",
    "wrong_target_rate",
]
