"""Scales that few values cannot set, in every unit and type."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from skrobust._preprocessing import (
    ImagePreprocessor,
    TablePreprocessor,
    TargetScaler,
    range_of_images,
)
from skrobust.tables import TableEncoder

SCALINGS = ["minmax", "standard", None]


def bell(n=800, d=3):
    return np.random.RandomState(0).normal(3, 2, size=(n, d))


def scaled(X, scaling, missing="error"):
    return TablePreprocessor(scaling, missing).fit(X).transform(X)


def cut_off(preprocessor, X):
    charges = []
    preprocessor.transform(X, charges=charges, per_feature=True)
    return np.sqrt(charges[0]) * np.ones(X.shape)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("value", [1e3, -1e6, 1e300])
def test_one_cell_does_not_set_the_scale(scaling, value):
    X = bell()
    bad = X.copy()
    bad[0, 0] = value
    clean, other = scaled(X, scaling), scaled(bad, scaling)
    np.testing.assert_allclose(other[1:], clean[1:], atol=0.02)
    assert np.abs(other[0, 0] - clean[:, 0].mean()) < 300 * clean[:, 0].std()
    assert np.abs(other[0, 0]) > np.abs(clean[:, 0]).max()  # it stays the farthest


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e-20, 1e-12, 1e140, 1e300])
def test_units_do_not_matter(scaling, unit):
    X = bell()
    np.testing.assert_allclose(scaled(X * unit, scaling), scaled(X, scaling), atol=1e-5)
    narrow = (X * [1e-7, 1, 1]).astype(np.float32)
    np.testing.assert_allclose(scaled(narrow, scaling), scaled(X, scaling), atol=1e-4)


def test_ordinary_columns_are_scaled_as_scikit_learn_does():
    X = bell()
    np.testing.assert_allclose(scaled(X, "standard"), StandardScaler().fit_transform(X), atol=1e-6)
    found = scaled(X, "minmax")
    np.testing.assert_allclose([found.min(axis=0), found.max(axis=0)], [[0] * 3, [1] * 3])
    assert np.array_equal(scaled(X, None), X.astype(np.float32))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_order_stays_and_what_is_cut_off_is_told(scaling):
    preprocessor = TablePreprocessor(scaling, "error").fit(bell(d=1))
    far = 10.0 ** np.arange(1, 15)[:, None]
    rows, excess = preprocessor.transform(far), cut_off(preprocessor, far)
    assert (np.diff(rows[:, 0]) > 0).all() and (np.diff(excess[3:, 0]) > 0).all()
    assert (cut_off(preprocessor, bell(d=1)) == 0).all()
    whole = (rows + excess)[:, 0]
    slope = np.diff(whole) / np.diff(far[:, 0])
    np.testing.assert_allclose(slope, slope[0], rtol=1e-3)  # together they are linear
    assert np.isfinite(cut_off(preprocessor, np.array([[1e308]])) ** 2).all()


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_scaling_comes_back(scaling):
    X = np.random.RandomState(0).rand(50, 3) * [1, 1e6, 1e-6]
    X[0, 0] = 1e4
    preprocessor = TablePreprocessor(scaling, "error").fit(X)
    np.testing.assert_allclose(preprocessor.inverse_transform(preprocessor.transform(X)), X, 1e-3)


def test_columns_that_are_mostly_one_value():
    rare = (np.arange(400) % 100 == 0).astype(float)[:, None]  # a level of 1 %
    for scaling in ("minmax", "standard"):
        assert np.ptp(scaled(rare, scaling)) >= 1
        assert (cut_off(TablePreprocessor(scaling, "error").fit(rare), rare) == 0).all()
    noise = 1e9 + 1e-7 * np.random.RandomState(0).rand(100, 1)  # nothing but rounding
    assert np.ptp(scaled(noise, "standard")) < 1e-5
    whole = (9007199254740993 + np.arange(300)).astype(float)[:, None]
    assert scaled(whole, "standard").std() == pytest.approx(1, abs=1e-3)
    encoded = TableEncoder().fit_transform(pd.DataFrame({"n": 9007199254740993 + np.arange(300)}))
    assert encoded.std() == pytest.approx(1, abs=1e-3)


def test_constant_columns_are_what_networks_start_with():
    X = np.column_stack([bell(d=1), np.full(800, 7.0)])
    assert (scaled(X, "standard")[:, 1] == 0).all() and (scaled(X, "minmax")[:, 1] == 0.5).all()


def test_a_gross_cell_does_not_fill_the_missing_ones():
    X = bell(100)
    X[0, 0], X[1, 0] = 1e9, np.nan
    assert abs(scaled(X, "standard", "mean")[1, 0]) < 0.5
    encoded = TableEncoder().fit_transform(pd.DataFrame({"x": [1e9, *X[2:, 1]]}))
    assert encoded[1:].std() == pytest.approx(1, abs=0.1)


def test_pictures_keep_their_range():
    pictures = np.random.RandomState(0).rand(50, 1, 8, 8)
    low, high = range_of_images(pictures)
    assert (low, high) == (pictures.min(), pictures.max())
    bad = pictures.copy()
    bad[0, 0, 0, 0], bad[1] = 9999, pictures[1] * 255
    low, high = range_of_images(bad)
    assert high <= 1 and low >= 0
    found = ImagePreprocessor(low, high).transform(bad)
    assert np.abs(found[2:]).max() <= 1.01 and 8 < found[0].max() < 25
    assert found[0, 0, 0, 0] > found[1].max()
    plain = ImagePreprocessor(low, high, scaled=False).transform(bad)
    assert np.array_equal(plain[2:], bad[2:].astype(np.float32))


def test_corrupted_targets_do_not_move_the_scale():
    rng = np.random.RandomState(0)
    y = rng.normal(3, 2, size=(5000, 2))
    clean = TargetScaler().fit(y)
    np.testing.assert_allclose(clean.transform(y).std(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(clean.transform(y).mean(axis=0), 0, atol=0.05)
    y[:1000] = 1e9
    scaler = TargetScaler(corruption_rate=0.2).fit(y)
    assert np.abs(scaler.center_ - 3).max() < 1 and np.abs(scaler.scale_ - 2).max() < 1.5
    assert StandardScaler().fit(y).scale_.min() > 1e8


def test_target_units_come_back_and_nothing_overflows():
    y = np.array([[1e300, 0.0], [-1e300, 0.0], [0.0, 0.0], [1.0, 5.0]])
    scaler = TargetScaler().fit(y)
    assert np.isfinite(scaler.transform(y)).all() and (scaler.scale_ > 0).all()
    y = np.random.RandomState(0).rand(50, 3) * [1, 1e6, 1e-6]
    scaler = TargetScaler().fit(y)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(y)), y, rtol=1e-4)
    tiny = TargetScaler().fit(y * 1e-200)
    np.testing.assert_allclose(tiny.transform(y * 1e-200), scaler.transform(y), rtol=1e-4)


@pytest.mark.parametrize("jitter", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_many_targets_at_one_value(jitter, rate):
    """Two thirds of zeros, with a little noise: the scale is that of the others."""
    rng = np.random.RandomState(0)
    y = np.maximum(rng.normal(size=(1500, 2)) - 0.4, 0) + jitter * rng.normal(size=(1500, 2))
    y[:, 1] = rng.normal(size=1500)  # a column beside it is as it was
    scale = TargetScaler(rate).fit(y).scale_
    assert 0.02 < scale[0] < 2 and scale[1] == TargetScaler().fit(y[:, 1:]).scale_[0]


def test_constant_targets():
    assert TargetScaler().fit(np.full((9, 1), 7.0)).scale_ == 1
