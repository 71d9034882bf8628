"""Corrupted copies: exactly as many rows as asked for, wrong in the way asked for."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from sklearn.model_selection import train_test_split

from skrobust.corruption import corrupt_labels, corrupt_targets, mask_missing, poison

RNG = np.random.RandomState(0)
X = RNG.normal(size=(2000, 5))
Y = RNG.normal(size=(2000, 10))
LABELS = np.array(["ant", "bee", "cat", "dog"])[RNG.randint(4, size=2000)]
FIELD = ["swap", "shift", "scale", "stuck"]
KINDS = ["linadv", "signflip", "uninoise", "pairflip", "maximum", *FIELD, "mixture"]


@given(st.integers(2, 300), st.integers(0, 100))
def test_exactly_the_floor_of_rate_times_n(n, percent):
    """In integers, since 0.29 * 100 is 28.999999999999996."""
    labels = np.arange(n) % 2
    _, mask = corrupt_labels(labels, percent / 100, random_state=0)
    assert mask.sum() == n * percent // 100
    _, mask = corrupt_targets(labels, percent / 100, kind="signflip", random_state=0)
    assert mask.sum() == n * percent // 100
    _, mask = mask_missing(np.ones((n, 3)), percent / 100, random_state=0)
    assert mask.sum() == 3 * n * percent // 100


def test_a_split_with_the_same_seed_spreads_what_is_corrupted():
    """scikit-learn's splits take the first rows of a permutation for the test."""
    masks = {
        "labels": corrupt_labels(LABELS, 0.3, random_state=0)[1],
        "targets": corrupt_targets(Y[:, 0], 0.3, kind="signflip", random_state=0)[1],
        "poison": poison(X, LABELS, lambda rows: rows + 1.0, 0.3, random_state=0)[2],
    }
    for name, mask in masks.items():
        train, test = train_test_split(mask, test_size=0.3, random_state=0)
        assert abs(train.mean() - test.mean()) < 0.08, name


@pytest.mark.parametrize("kind", ["symmetric", "pairflip"])
def test_labels_change_exactly_where_the_mask_says(kind):
    corrupted, mask = corrupt_labels(LABELS, 0.3, kind=kind, random_state=0)
    np.testing.assert_array_equal(corrupted != LABELS, mask)
    assert corrupted.dtype == LABELS.dtype and mask.sum() == 600


def test_pairflip_goes_to_the_next_class_and_the_last_to_the_first():
    corrupted, mask = corrupt_labels(LABELS, 0.5, kind="pairflip", random_state=0)
    following = {"ant": "bee", "bee": "cat", "cat": "dog", "dog": "ant"}
    assert [following[label] for label in LABELS[mask]] == corrupted[mask].tolist()


def test_symmetric_takes_all_other_classes_equally_often():
    corrupted, mask = corrupt_labels(LABELS, 1.0, random_state=0)
    assert mask.all()
    for label in np.unique(LABELS):
        counts = np.unique(corrupted[label == LABELS], return_counts=True)[1]
        assert len(counts) == 3 and chisquare(counts).pvalue > 0.01


def test_rows_are_drawn_uniformly_and_independently_where_asked():
    shares = [corrupt_labels(LABELS, 0.4, exact=False, random_state=i)[1] for i in range(200)]
    sizes = np.sum(shares, axis=1)
    assert abs(sizes.mean() - 800) < 5 and 0.7 < sizes.std() / np.sqrt(2000 * 0.24) < 1.3
    exact = [corrupt_labels(LABELS, 0.4, random_state=i)[1] for i in range(200)]
    assert set(np.sum(exact, axis=1)) == {800}
    per_row = np.sum(exact, axis=0)
    assert 0.8 < per_row.std() / np.sqrt(200 * 0.24) < 1.2 and abs(per_row.mean() - 80) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("y", [Y, Y[:, 0]], ids=["ten outputs", "one output"])
def test_targets_change_only_where_the_mask_says(kind, y):
    if y.ndim == 1 and kind in ("pairflip", "mixture"):
        pytest.skip("one output has no other place")
    before = y.copy()
    corrupted, mask = corrupt_targets(y, 0.25, kind=kind, X=X, random_state=0)
    assert corrupted.shape == y.shape and mask.sum() == 500
    np.testing.assert_array_equal(corrupted[~mask], y[~mask])
    changed = (corrupted != y).reshape(len(y), -1).any(axis=1)
    assert (changed == mask).mean() > 0.999  # a row may hold the maximum already
    np.testing.assert_array_equal(y, before)


def test_linadv_is_one_linear_function_of_the_features():
    corrupted, mask = corrupt_targets(Y, 0.2, X=X, weight_scale=3.0, random_state=0)
    weights, residual, *_ = np.linalg.lstsq(X[mask], corrupted[mask], rcond=None)
    assert residual.max() < 1e-20
    assert weights.std() == pytest.approx(3.0, rel=0.3)


def test_signflip_maximum_and_noise():
    corrupted, mask = corrupt_targets(Y, 0.2, kind="signflip", random_state=0)
    np.testing.assert_array_equal(corrupted[mask], -Y[mask])
    corrupted, mask = corrupt_targets(Y, 0.2, kind="maximum", random_state=0)
    np.testing.assert_array_equal(corrupted[mask], np.tile(Y.max(axis=0), (400, 1)))
    corrupted, mask = corrupt_targets(Y, 0.5, kind="uninoise", random_state=0)
    assert kstest(corrupted[mask].ravel(), "uniform", args=(-5, 10)).pvalue > 0.01
    corrupted, mask = corrupt_targets(Y, 0.5, kind="uninoise", bounds=(1, 2), random_state=0)
    assert corrupted[mask].min() > 1 and corrupted[mask].max() < 2


@pytest.mark.parametrize("y", [Y, Y[:, 0]], ids=["ten outputs", "one output"])
def test_errors_of_sensors_and_tables(y):
    y = 5.0 + 100.0 * y
    swapped, mask = corrupt_targets(y, 0.4, kind="swap", random_state=0)
    assert (swapped != y).reshape(len(y), -1).any(axis=1)[mask].all()
    order = np.argsort(y.reshape(len(y), -1)[mask][:, 0])
    of_swapped = np.argsort(swapped.reshape(len(y), -1)[mask][:, 0])
    np.testing.assert_array_equal(swapped[mask][of_swapped], y[mask][order])  # whole rows
    assert abs(np.corrcoef(order, of_swapped)[0, 1]) < 0.1
    shifted, mask = corrupt_targets(y, 0.4, kind="shift", random_state=0)
    steps = ((shifted - y) / y.std(axis=0))[mask]
    assert kstest(steps.ravel(), "uniform", args=(1, 2)).pvalue > 0.01
    lower, mask = corrupt_targets(y, 0.4, kind="shift", shift=(-2, -1.5), random_state=0)
    assert -2 <= ((lower - y) / y.std(axis=0))[mask].max() <= -1.5
    np.testing.assert_array_equal(
        corrupt_targets(y, 0.4, kind="scale", random_state=0)[0][mask], 1000 * y[mask]
    )
    stuck = corrupt_targets(y, 0.4, kind="stuck", quantile=0.3, random_state=0)[0][mask]
    assert (stuck == np.quantile(y, 0.3, axis=0)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "stuck", "quantile": 1.5}, "quantile must be from 0 to 1, got 1.5"),
        ({"kind": "scale", "factor": np.inf}, "factor must be a finite number, got inf"),
        ({"kind": "shift", "shift": (3, 1)}, r"shift must be \(least, most\).*got \(3, 1\)"),
        ({"kind": "shift", "shift": (1, np.nan)}, "shift must be .least, most., both finite"),
    ],
)
def test_settings_of_targets_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        corrupt_targets(Y, 0.2, **settings)
    with pytest.raises(ValueError, match="needs at least two rows"):
        corrupt_targets(Y[:10], 0.1, kind="swap")


def test_pairflip_keeps_the_coordinates_of_a_landmark_together():
    corrupted, mask = corrupt_targets(Y, 0.2, kind="pairflip", random_state=0)
    landmarks, wrong = Y[mask].reshape(-1, 5, 2), corrupted[mask].reshape(-1, 5, 2)
    for j in range(5):
        np.testing.assert_array_equal(wrong[:, (j + 1) % 5], landmarks[:, j])


def test_mixture_uses_its_kinds_equally_often():
    corrupted, _ = corrupt_targets(Y, 1.0, kind="mixture", X=X, random_state=0)
    flipped = (corrupted == -Y).all(axis=1)
    shuffled = (corrupted == np.roll(Y, 2, axis=1)).all(axis=1)
    noise = ~flipped & ~shuffled
    assert 440 < flipped.sum() < 560 and 440 < shuffled.sum() < 560 and noise.sum() > 880
    two, _ = corrupt_targets(
        Y[:, 0], 1.0, kind="mixture", mixture_of=["signflip", "maximum"], random_state=0
    )
    assert set(np.flatnonzero(two == -Y[:, 0])) | set(np.flatnonzero(two == Y[:, 0].max())) == set(
        range(2000)
    )


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda rate: corrupt_labels(LABELS, rate, random_state=3),
        lambda rate: corrupt_labels(LABELS, rate, exact=False, random_state=3),
        lambda rate: corrupt_targets(Y, rate, kind="mixture", X=X, random_state=3),
        lambda rate: mask_missing(X, rate, random_state=3),
    ],
)
def test_a_seed_repeats_and_nests_the_draws_and_leaves_the_global_state(corrupt):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    (low, few), (again, same), (high, many) = corrupt(0.1), corrupt(0.1), corrupt(0.4)
    np.testing.assert_array_equal(low, again)
    np.testing.assert_array_equal(few, same)
    assert many[few].all() and many.sum() > few.sum()
    np.testing.assert_array_equal(low[few], high[few])  # and changes them in the same way
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_missing_cells_are_nan_in_a_copy():
    table = pd.DataFrame(X[:, :3], columns=list("abc"))
    missing, mask = mask_missing(table, 0.2, random_state=0)
    np.testing.assert_array_equal(np.isnan(missing), mask)
    np.testing.assert_array_equal(missing[~mask], X[:, :3][~mask])
    assert not table.isna().any(axis=None)
    free = [mask_missing(X, 0.2, exact=False, random_state=i)[1].sum() for i in range(50)]
    assert np.std(free) > 20 and abs(np.mean(free) - 2000) < 30


def test_nothing_and_everything():
    corrupted, mask = corrupt_labels([3, 5, 3], 0.0)
    assert corrupted.tolist() == [3, 5, 3] and not mask.any()
    corrupted, mask = corrupt_labels(np.array([3, 5, 3]), 1.0)
    assert corrupted.tolist() == [5, 3, 5] and mask.all()
    assert np.isnan(mask_missing(X, 1.0)[0]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: corrupt_labels(LABELS, 1.2), r"rate must be a number in \[0, 1\], got 1.2"),
        (lambda: corrupt_labels(LABELS, "0.1"), r"rate must be a number in \[0, 1\], got '0.1'"),
        (lambda: corrupt_labels(LABELS, np.nan), "rate must be a number"),
        (lambda: corrupt_labels(LABELS, True), "rate must be a number"),
        (lambda: corrupt_labels(LABELS, 0.1, kind="linadv"), "kind must be one of 'symmetric'"),
        (lambda: corrupt_labels(Y, 0.1), r"y must be one column of labels.*\(2000, 10\)"),
        (lambda: corrupt_labels(["a"] * 9, 0.1), "at least two classes, got 1"),
        (lambda: corrupt_targets(Y, 0.1), "'linadv' computes targets from the features: pass X"),
        (lambda: corrupt_targets(Y, 0.1, X=X[:7]), r"table of 2000 rows.*\(7, 5\)"),
        (lambda: corrupt_targets(Y, 0.1, kind="symmetric"), "kind must be one of 'linadv'"),
        (
            lambda: corrupt_targets([1.0, np.nan], 0.1, kind="signflip"),
            "with 1 that are not finite",
        ),
        (lambda: corrupt_targets(Y[None], 0.1, kind="signflip"), r"shape \(1, 2000, 10\)"),
        (lambda: corrupt_targets(Y[:, 0], 0.1, kind="pairflip"), "group_size=2.*y has 1 columns"),
        (lambda: corrupt_targets(Y, 0.1, kind="pairflip", group_size=3), "group_size=3.*has 10"),
        (
            lambda: corrupt_targets(Y, 0.1, kind="mixture", mixture_of=["mixture"]),
            "each of mixture_of must be one of.*got 'mixture'",
        ),
        (lambda: corrupt_targets(Y, 0.1, mixture_of=[]), "mixture_of must name at least one"),
        (lambda: mask_missing(X[0], 0.1), r"must be a table of numbers.*\(5,\)"),
        (lambda: mask_missing(X, -0.1), "rate must be a number"),
        (lambda: mask_missing([["a", "b"]], 0.1), "could not convert string to float"),
    ],
)
def test_errors_name_the_parameter_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
