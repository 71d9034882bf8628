"""Displays in scikit-learn's form: ``from_estimator``, ``from_predictions``, ``ax=``.

matplotlib is imported when something is drawn. Colours are told apart by colour-blind readers.
"""

from skrobust.plotting._curves import RateSensitivityDisplay, TrainingCurveDisplay
from skrobust.plotting._pictures import DistrustedRowsDisplay, LossSurfaceDisplay, TriggerDisplay
from skrobust.plotting._planes import DensityDisplay, LabelFlipDisplay
from skrobust.plotting._scores import KeptShareDisplay, ScoreDistributionDisplay
from skrobust.plotting._screen import PoisonScreenDisplay

__all__ = [
    "DensityDisplay",
    "DistrustedRowsDisplay",
    "KeptShareDisplay",
    "LabelFlipDisplay",
    "LossSurfaceDisplay",
    "PoisonScreenDisplay",
    "RateSensitivityDisplay",
    "ScoreDistributionDisplay",
    "TrainingCurveDisplay",
    "TriggerDisplay",
]
