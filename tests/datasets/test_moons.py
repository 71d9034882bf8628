"""Two moons with anomalies where and as many as asked for."""

import numpy as np
import pytest

from skrobust.datasets import make_contaminated_moons


def distance_to_moons(X):
    t = np.linspace(0, np.pi, 500)
    moons = np.c_[np.r_[np.cos(t), 1 - np.cos(t)], np.r_[np.sin(t), 0.5 - np.sin(t)]]
    return np.sqrt(((X[:, None] - moons) ** 2).sum(2)).min(1)


def test_numbers():
    X, y = make_contaminated_moons(random_state=0)
    assert X.shape == (10500, 2) and X.dtype == np.float64
    assert y.shape == (10500,) and y.dtype == np.int64 and y.sum() == 500
    assert np.isclose(y.mean(), 0.0476, atol=1e-4)


def test_normal_points_are_moons():
    X, y = make_contaminated_moons(2000, noise=0, random_state=0)
    assert distance_to_moons(X[y == 0]).max() < 0.01
    X, y = make_contaminated_moons(2000, noise=0.1, random_state=0)
    assert 0.06 < distance_to_moons(X[y == 0]).mean() < 0.1


def test_uniform_anomalies_fill_the_square():
    X, y = make_contaminated_moons(4000, contamination=0.5, random_state=0)
    extra = X[y == 1]
    assert extra.min() > -1.75 and extra.max() < 3.25
    counts, *_ = np.histogram2d(*extra.T, bins=4, range=[(-1.75, 3.25)] * 2)
    assert counts.min() > 125 * 0.65 and counts.max() < 125 * 1.35


@pytest.mark.parametrize("std", [0.05, 0.2])
def test_clustered_anomalies(std):
    X, y = make_contaminated_moons(
        10000, contamination=0.2, anomalies="clustered", cluster_std=std, random_state=0
    )
    extra = X[y == 1]
    np.testing.assert_allclose(extra.mean(0), 2.5, atol=5 * std / np.sqrt(2000))
    np.testing.assert_allclose(np.cov(extra.T), std**2 * np.eye(2), atol=0.15 * std**2)


def test_seed_and_order():
    one, two = (make_contaminated_moons(100, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    other = make_contaminated_moons(100, random_state=4)
    assert not np.array_equal(one[0], other[0])
    _, y = make_contaminated_moons(100, contamination=0.1, shuffle=False, random_state=3)
    np.testing.assert_array_equal(y, np.r_[np.zeros(100), np.ones(10)])
    assert 0 < make_contaminated_moons(100, contamination=0.1, random_state=3)[1][:50].sum() < 10


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_contaminated_moons(100, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_no_anomalies():
    X, y = make_contaminated_moons(10, contamination=0, random_state=0)
    assert X.shape == (10, 2) and not y.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_samples": 1},
        {"n_samples": 10.0},
        {"contamination": -0.1},
        {"contamination": np.nan},
        {"noise": "much"},
        {"cluster_std": np.inf},
        {"anomalies": "rare"},
    ],
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        make_contaminated_moons(**wrong)
