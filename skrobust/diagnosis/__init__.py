"""Which rows are not trusted, and how many."""

from skrobust.diagnosis._filter import RobustFilter, RowFilter
from skrobust.diagnosis._frame import DiagnosisMixin

__all__ = ["DiagnosisMixin", "RobustFilter", "RowFilter"]
