"""Learning from poisoned data (thesis, chapter 5)."""

from skrobust.backdoor._augment import ImageAugmentation, RandomOcclusion, TableAugmentation
from skrobust.backdoor._classifier import BackdoorRobustClassifier
from skrobust.backdoor._fine_pruning import FinePruningClassifier
from skrobust.backdoor._perturb import InputPerturbation
from skrobust.backdoor._screen import PoisonScreen
from skrobust.backdoor._semi_supervised import SemiSupervisedBackdoorClassifier
from skrobust.backdoor._signatures import SpectralSignatureFilter

__all__ = [
    "BackdoorRobustClassifier",
    "FinePruningClassifier",
    "ImageAugmentation",
    "InputPerturbation",
    "PoisonScreen",
    "RandomOcclusion",
    "SemiSupervisedBackdoorClassifier",
    "SpectralSignatureFilter",
    "TableAugmentation",
]
