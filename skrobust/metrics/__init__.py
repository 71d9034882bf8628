"""Measures that the thesis reports and scikit-learn does not have."""

from skrobust.metrics._backdoor import (
    LastEpochs,
    attack_success_rate,
    clean_accuracy,
    last_epochs,
    poison_accuracy,
    separation_score,
)
from skrobust.metrics._comparison import average_rank, win_draw_loss

__all__ = [
    "LastEpochs",
    "attack_success_rate",
    "average_rank",
    "clean_accuracy",
    "last_epochs",
    "poison_accuracy",
    "separation_score",
    "win_draw_loss",
]
