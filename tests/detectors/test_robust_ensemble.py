"""The ensemble: members of different kinds, one scale, weights without labels."""

import numpy as np
import pandas as pd
import pytest
from pyod.models.iforest import IForest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import OutlierDetectorAdapter, RobustEnsembleDetector, RobustRealNVPDetector
from skrobust.detectors._combine import Standardizer, agreement, with_share
from skrobust.detectors._forest import IsolationTrees
from skrobust.detectors._members import SubsampleNeighbors, TrimmedGaussian, TrimmedHistogram
from skrobust.testing import check_robust_estimator

SIMPLE = ("gaussian", "marginal", "neighbors")
FLOW = RobustRealNVPDetector(max_epochs=5, hidden_layer_sizes=(8,), n_couplings=2)
QUICK = {"members": [("flow", FLOW), *SIMPLE]}


def normal_rows(n=400, d=5, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d))


def contaminated(kind, seed=0, n=800, d=5):
    """Rows with 12 anomalies of one kind, and which those are."""
    rng = np.random.RandomState(100 + seed)
    X, bad = normal_rows(n, d, seed), np.zeros(n, dtype=bool)
    bad[rng.choice(n, 12, replace=False)] = True
    if kind == "cluster":  # a small group far off
        X[bad] = X.mean(0) + 6 * X.std(0) + 0.05 * rng.normal(size=(bad.sum(), d))
    elif kind == "dependence":  # every column as usual, the rows not
        spread = X.std(0)
        X[bad] = 1.5 * spread * rng.choice([-1, 1], (bad.sum(), d))
    elif kind == "cell":  # one column beyond its range
        X[bad, 0] = 5 * X[:, 0].std() * rng.choice([-1, 1], bad.sum())
    return X, bad


@parametrize_with_checks(
    [
        RobustEnsembleDetector(),  # small tables have small networks
        RobustEnsembleDetector(**QUICK),
        RobustEnsembleDetector(members=SIMPLE, missing="mean", weights="equal"),
        OutlierDetectorAdapter(RobustEnsembleDetector(members=SIMPLE, random_state=0)),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_nothing_hangs_on_what_should_not_matter():
    check_robust_estimator(RobustEnsembleDetector(members=SIMPLE))


@pytest.mark.parametrize("kind", ["cluster", "dependence", "cell"])
def test_every_kind_of_anomaly_is_found_although_members_fail(kind):
    single, joint = [], []
    for seed in range(4):
        X, bad = contaminated(kind, seed)
        detector = RobustEnsembleDetector(0.02, members=SIMPLE, random_state=seed).fit(X)
        joint.append(roc_auc_score(bad, detector.decision_scores_))
        single.append([roc_auc_score(bad, scores) for scores in detector.member_scores_.T])
    assert np.mean(joint) >= np.min(np.mean(single, axis=0))
    assert np.mean(joint) > 0.85


def test_a_group_of_anomalies_is_not_its_own_neighbourhood():
    X, bad = contaminated("cluster")
    X = (X - X.mean(0)) / X.std(0)
    nearest = np.sort(np.linalg.norm(X[:, None] - X[None], axis=2), axis=1)[:, 5]  # KNN's score
    scores = SubsampleNeighbors(0).fit(X).decision_scores_
    assert roc_auc_score(bad, nearest) < 0.5
    assert roc_auc_score(bad, scores) > 0.95


def test_neighbours_are_those_of_every_sample():
    X = normal_rows(90, 3).astype(np.float32)
    member = SubsampleNeighbors(1, n_samples=7, sample_size=10).fit(X)
    samples = member.references_.reshape(7, 10, 3)
    apart = np.linalg.norm(X[:, None, None] - samples[None], axis=3)
    apart[apart < 1e-6] = np.inf  # itself
    np.testing.assert_allclose(member.decision_scores_, apart.min(2).mean(1), atol=1e-6)
    np.testing.assert_array_equal(member.decision_function(X[3:5]), member.decision_scores_[3:5])


def test_neighbours_of_equal_rows_are_defined():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], [60, 2], axis=0)
    scores = SubsampleNeighbors(0).fit(X).decision_scores_
    np.testing.assert_allclose(scores, np.sqrt(2))  # to the other group
    assert (SubsampleNeighbors(0).fit(X[:60]).decision_scores_ == 0).all()


@pytest.mark.parametrize("member", [TrimmedGaussian, TrimmedHistogram])
def test_anomalies_do_not_shape_the_members_that_leave_rows_out(member):
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(300, 2)), rng.normal([4.0, 4.0], 0.1, size=(30, 2))]
    bad = np.arange(330) >= 300
    robust, plain = (member(rate).fit(X).decision_scores_ for rate in (0.1, 0.0))
    assert average_precision_score(bad, robust) > 0.95 > average_precision_score(bad, plain)
    far = [np.median(scores[bad]) - np.median(scores[~bad]) for scores in (robust, plain)]
    assert far[0] > 2 * far[1]


@pytest.mark.parametrize("member", [TrimmedGaussian, TrimmedHistogram])
def test_what_features_add_sums_to_the_score(member):
    X = normal_rows()
    fitted = member(0.1).fit(X)
    np.testing.assert_allclose(
        fitted.feature_scores(X).sum(axis=1), fitted.decision_function(X), rtol=1e-9
    )
    np.testing.assert_allclose(fitted.decision_function(X), fitted.decision_scores_, rtol=1e-9)


def test_the_distance_is_mahalanobis_of_the_rows_that_are_kept():
    X = normal_rows(300, 3)
    member = TrimmedGaussian(0.1).fit(X)
    rows = member._scaled(X)
    kept = np.argsort(member.decision_scores_, kind="stable")[:270]
    apart = rows - member.mean_
    inverse = np.linalg.inv(np.cov(rows[kept].T))
    expected = np.einsum("ij,jk,ik->i", apart, inverse, apart)
    np.testing.assert_allclose(member.decision_scores_, expected, rtol=0.1)


def test_one_scale_bounds_every_score_and_keeps_the_order():
    scores = np.c_[np.r_[np.arange(99.0), 1e8], np.r_[np.arange(99.0), np.inf], np.zeros(100)]
    moved = Standardizer().fit(scores).transform(scores)
    assert np.isfinite(moved).all()
    assert np.abs(moved).max() < 6.5
    assert (np.diff(moved[:, 0]) > 0).all()
    np.testing.assert_allclose(np.median(moved, axis=0), 0, atol=1e-9)
    assert (moved[:, 2] == 0).all()


def test_a_member_that_agrees_with_nobody_weighs_least():
    rng = np.random.RandomState(0)
    truth = rng.normal(size=500)
    scores = np.c_[truth, truth + 0.1 * rng.normal(size=500), rng.normal(size=500)]
    weights = agreement(scores)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.5 * weights[:2].min()
    np.testing.assert_array_equal(agreement(truth[:, None]), [1.0])


def test_the_flow_weighs_more_where_rows_are_many():
    weights = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(with_share(weights, 0, 0.5), [0.5, 0.1875, 0.3125])
    np.testing.assert_array_equal(with_share(weights, 0, 0.1), weights)
    np.testing.assert_array_equal(with_share(np.ones(1), 0, 0.5), [1.0])
    few, many = (
        RobustEnsembleDetector(**QUICK, random_state=0).fit(normal_rows(n)).weights_[0]
        for n in (300, 1200)
    )
    assert many == pytest.approx(0.5)
    assert few < 0.4


@pytest.mark.parametrize("n", [2, 3, 400])
def test_the_forest_is_that_of_sklearn(n):
    X = normal_rows(n).astype(np.float32)
    X[: n // 3] = X[0]
    forest, ours = IsolationForest(random_state=1).fit(X), IsolationTrees(1).fit(X)
    new = normal_rows(200, seed=1)
    np.testing.assert_allclose(ours.decision_scores_, -forest.score_samples(X), rtol=1e-12)
    np.testing.assert_allclose(ours.decision_function(new), -forest.score_samples(new), rtol=1e-12)


def test_the_score_is_the_weighted_mean_of_the_members():
    X = normal_rows()
    detector = RobustEnsembleDetector(members=SIMPLE, weights=[2, 1, 1], random_state=0).fit(X)
    np.testing.assert_allclose(detector.weights_, [0.5, 0.25, 0.25])
    expected = detector.member_scores_ @ detector.weights_
    np.testing.assert_allclose(detector.decision_scores_, expected)
    np.testing.assert_allclose(detector.member_scores(X), detector.member_scores_)
    np.testing.assert_allclose(detector.decision_function(X), detector.decision_scores_)


def test_a_gross_cell_stands_out_whatever_the_members_say():
    X = normal_rows()
    detector = RobustEnsembleDetector(members=("marginal",), random_state=0).fit(X)
    row = X[:1].copy()
    row[0, 2] = 1e6 * X[:, 2].std()
    assert detector.decision_function(row) > detector.decision_scores_.max() + 3


def test_any_detector_of_pyod_is_a_member():
    X, bad = contaminated("cluster")
    forest = IForest(random_state=0)
    detector = RobustEnsembleDetector(members=["marginal", ("forest", forest)]).fit(X)
    assert [name for name, _ in detector.members_] == ["marginal", "forest"]
    assert not hasattr(forest, "decision_scores_")  # it is cloned
    assert roc_auc_score(bad, detector.decision_scores_) > 0.9
    assert not hasattr(detector, "keep_frequency_")
    clone(detector)


def test_features_that_make_a_row_abnormal_come_first():
    X = normal_rows()
    detector = RobustEnsembleDetector(**QUICK, random_state=0).fit(X)
    rows = X[:20].copy()
    rows[:, 3] += 8 * X[:, 3].std()
    assert (detector.feature_scores(rows).argmax(axis=1) == 3).mean() > 0.8
    with pytest.raises(ValueError, match="none of them says what features add"):
        RobustEnsembleDetector(members=("neighbors",)).fit(X).feature_scores(X)


def test_the_same_seed_gives_the_same_scores_and_global_state_stays():
    X = normal_rows()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (RobustEnsembleDetector(**QUICK, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.decision_scores_, second.decision_scores_)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    other = RobustEnsembleDetector(**QUICK, random_state=4).fit(X)
    assert (other.decision_scores_ != first.decision_scores_).any()


def test_what_is_known_of_each_row():
    X = normal_rows()
    X[0] = np.nan
    with pytest.warns(UserWarning, match="no value at all"):
        detector = RobustEnsembleDetector(0.05, **QUICK, missing="mean", random_state=0).fit(X)
    frame = detector.diagnosis_frame(pd.DataFrame(X))
    assert list(frame.columns) == ["score", "rank", "keep_frequency", "trusted"]
    assert (~frame["trusted"]).sum() == 20
    assert detector.decision_scores_[0] == np.median(detector.decision_scores_[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": ["trees"]}, "members has 'trees'; allowed are 'flow', 'rca'"),
        ({"members": [("a", 3)]}, r"members has \('a', 3\)"),
        ({"members": []}, "members=\\[\\] is empty"),
        ({"members": SIMPLE, "weights": [1, 2]}, "must be 3 numbers of at least 0"),
        ({"members": SIMPLE, "weights": [1, -2, 1]}, "must be 3 numbers of at least 0"),
        ({"members": SIMPLE, "weights": [0, 0, 0]}, "must not all be 0"),
        ({"weights": "best"}, "'weights' parameter"),
        ({"contamination": 0.7}, "'contamination' parameter"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    detector = RobustEnsembleDetector(**settings)
    before = dict(vars(detector))
    with pytest.raises(ValueError, match=message):
        detector.fit(normal_rows(60))
    assert vars(detector) == before
