"""Anomaly detectors trained on contaminated data, with PyOD's interface."""

from skrobust.detectors._adapter import OutlierDetectorAdapter
from skrobust.detectors._rca import RCADetector

__all__ = ["OutlierDetectorAdapter", "RCADetector"]
