"""Measures that the thesis reports and scikit-learn does not have."""

from skrobust.metrics._comparison import average_rank, win_draw_loss

__all__ = ["average_rank", "win_draw_loss"]
