"""Data sets: downloaded once, checked, and read from the cache afterwards; and two moons."""

from skrobust.datasets._annotations import fetch_cifar10n
from skrobust.datasets._anomalies import (
    ADBENCH_SETS,
    FEATURE_SETS,
    ODDS_SETS,
    fetch_adbench,
    fetch_image_features,
    fetch_odds,
)
from skrobust.datasets._cifar import fetch_cifar10
from skrobust.datasets._fetch import DataNotSuppliedError, get_data_home
from skrobust.datasets._images import fetch_fashion_mnist, fetch_mnist
from skrobust.datasets._moons import make_contaminated_moons
from skrobust.datasets._regression import REGRESSION_SETS, fetch_lagos, fetch_regression

__all__ = [
    "ADBENCH_SETS",
    "FEATURE_SETS",
    "ODDS_SETS",
    "REGRESSION_SETS",
    "DataNotSuppliedError",
    "fetch_adbench",
    "fetch_cifar10",
    "fetch_cifar10n",
    "fetch_fashion_mnist",
    "fetch_image_features",
    "fetch_lagos",
    "fetch_mnist",
    "fetch_odds",
    "fetch_regression",
    "get_data_home",
    "make_contaminated_moons",
]
