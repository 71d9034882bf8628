"""Train deep networks on data you do not trust, and be told which rows were not trusted."""

from skrobust.backdoor import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)
from skrobust.detectors import OutlierDetectorAdapter, RCADetector, RobustRealNVPDetector
from skrobust.diagnosis import CorruptionEstimate, RobustFilter, estimate_contamination
from skrobust.supervised import (
    LabelAudit,
    PRLClassifier,
    PRLRegressor,
    audit_labels,
    estimate_corruption_rate,
)

__all__ = [
    "BackdoorRobustClassifier",
    "CorruptionEstimate",
    "FinePruningClassifier",
    "LabelAudit",
    "OutlierDetectorAdapter",
    "PRLClassifier",
    "PRLRegressor",
    "RCADetector",
    "RobustFilter",
    "RobustRealNVPDetector",
    "SemiSupervisedBackdoorClassifier",
    "SpectralSignatureFilter",
    "__version__",
    "audit_labels",
    "estimate_contamination",
    "estimate_corruption_rate",
]

__version__ = "0.1.0"
