"""Train deep networks on data you do not trust, and be told which rows were not trusted."""

from skrobust.detectors import OutlierDetectorAdapter, RCADetector, RobustRealNVPDetector
from skrobust.supervised import PRLClassifier, PRLRegressor

__all__ = [
    "OutlierDetectorAdapter",
    "PRLClassifier",
    "PRLRegressor",
    "RCADetector",
    "RobustRealNVPDetector",
    "__version__",
]

__version__ = "0.1.0"
