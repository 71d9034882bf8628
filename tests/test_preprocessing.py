"""Targets are scaled by what corrupted ones cannot move, and come back exactly."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from skrobust._preprocessing import TargetScaler


def test_corrupted_targets_do_not_move_the_scale():
    rng = np.random.RandomState(0)
    y = rng.normal(3, 2, size=(5000, 2))
    clean = TargetScaler().fit(y)
    np.testing.assert_allclose(clean.transform(y).std(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(clean.transform(y).mean(axis=0), 0, atol=0.05)
    y[:1000] = 1e9
    scaler = TargetScaler().fit(y)
    assert np.abs(scaler.center_ - 3).max() < 1 and np.abs(scaler.scale_ - 2).max() < 1.5
    assert StandardScaler().fit(y).scale_.min() > 1e8


def test_units_come_back_and_nothing_overflows():
    y = np.array([[1e300, 0.0], [-1e300, 0.0], [0.0, 0.0], [1.0, 5.0]])
    scaler = TargetScaler().fit(y)
    assert np.isfinite(scaler.transform(y)).all() and (scaler.scale_ > 0).all()
    y = np.random.RandomState(0).rand(50, 3) * [1, 1e6, 1e-6]
    scaler = TargetScaler().fit(y)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(y)), y, rtol=1e-4)


def test_mostly_equal_and_constant_targets():
    y = np.r_[np.zeros(30), np.arange(10.0)][:, None]
    assert TargetScaler().fit(y).scale_ == y.mean()
    assert TargetScaler().fit(np.full((9, 1), 7.0)).scale_ == 1
