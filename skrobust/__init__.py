"""Train deep networks on data you do not trust, and be told which rows were not trusted."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skrobust import backdoor as backdoor
    from skrobust import corruption as corruption
    from skrobust import datasets as datasets
    from skrobust import detectors as detectors
    from skrobust import diagnosis as diagnosis
    from skrobust import io as io
    from skrobust import metrics as metrics
    from skrobust import networks as networks
    from skrobust import plotting as plotting
    from skrobust import selection as selection
    from skrobust import supervised as supervised
    from skrobust import tables as tables
    from skrobust import testing as testing
    from skrobust import training as training
    from skrobust.backdoor import (
        BackdoorRobustClassifier,
        FinePruningClassifier,
        PoisonScreen,
        SemiSupervisedBackdoorClassifier,
        SpectralSignatureFilter,
    )
    from skrobust.detectors import (
        OutlierDetectorAdapter,
        RCADetector,
        RobustEnsembleDetector,
        RobustRealNVPDetector,
    )
    from skrobust.diagnosis import (
        CorruptionEstimate,
        LabelAudit,
        RobustFilter,
        audit_labels,
        estimate_contamination,
    )
    from skrobust.supervised import PRLClassifier, PRLRegressor, estimate_corruption_rate

__all__ = [
    "BackdoorRobustClassifier",
    "CorruptionEstimate",
    "FinePruningClassifier",
    "LabelAudit",
    "OutlierDetectorAdapter",
    "PRLClassifier",
    "PRLRegressor",
    "PoisonScreen",
    "RCADetector",
    "RobustEnsembleDetector",
    "RobustFilter",
    "RobustRealNVPDetector",
    "SemiSupervisedBackdoorClassifier",
    "SpectralSignatureFilter",
    "__version__",
    "audit_labels",
    "estimate_contamination",
    "estimate_corruption_rate",
]

__version__ = "0.2.0"

# torch, skorch and PyOD take seconds to import: what needs them is imported when first asked for.
_SUBPACKAGES = {
    "backdoor": (
        "BackdoorRobustClassifier",
        "FinePruningClassifier",
        "PoisonScreen",
        "SemiSupervisedBackdoorClassifier",
        "SpectralSignatureFilter",
    ),
    "corruption": (),
    "datasets": (),
    "detectors": (
        "OutlierDetectorAdapter",
        "RCADetector",
        "RobustEnsembleDetector",
        "RobustRealNVPDetector",
    ),
    "diagnosis": (
        "CorruptionEstimate",
        "LabelAudit",
        "RobustFilter",
        "audit_labels",
        "estimate_contamination",
    ),
    "io": (),
    "metrics": (),
    "networks": (),
    "plotting": (),
    "selection": (),
    "supervised": ("PRLClassifier", "PRLRegressor", "estimate_corruption_rate"),
    "tables": (),
    "testing": (),
    "training": (),
}
_HOMES = {name: home for home, names in _SUBPACKAGES.items() for name in names}


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> object:
        if name in _SUBPACKAGES:
            return import_module(f"skrobust.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'skrobust' has no attribute {name!r}")
        value = getattr(import_module(f"skrobust.{_HOMES[name]}"), name)
        globals()[name] = value  # the next access does not come here
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
