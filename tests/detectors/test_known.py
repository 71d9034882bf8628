"""A few known labels: what they do to training, threshold, labels and weights."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skrobust import RobustEnsembleDetector, RobustRealNVPDetector
from skrobust.detectors._combine import by_known
from skrobust.detectors._known import KeepKnown, validate_known
from skrobust.detectors._members import TrimmedGaussian, TrimmedHistogram
from skrobust.selection import DropSchedule, Progress, Selection, Trim

SIMPLE = ("gaussian", "marginal", "neighbors")
FLOW = RobustRealNVPDetector(max_epochs=4, hidden_layer_sizes=(8,), n_couplings=2, min_steps=None)


def rows(n=300, n_bad=15, shift=5.0, seed=0):
    """Rows of a normal distribution; the last ones are shifted."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    X[n - n_bad :] += shift
    return X


def told(n=300, anomalies=(), normal=()):
    known = np.full(n, -1)
    known[list(anomalies)], known[list(normal)] = 1, 0
    return known


@pytest.fixture(params=["detector", "ensemble"])
def build(make, request):
    """Return a function of parameters that builds a detector or an ensemble."""
    if request.param == "detector":
        return make
    return partial(RobustEnsembleDetector, members=[("flow", FLOW), *SIMPLE])


def test_nothing_known_changes_nothing(build):
    X = rows()
    plain = build(random_state=0).fit(X)
    for known in (None, told()):
        other = build(random_state=0).fit(X, known=known)
        np.testing.assert_array_equal(plain.decision_scores_, other.decision_scores_)
        assert plain.threshold_ == other.threshold_
    assert "known" not in clone(plain).get_params()


def test_known_anomalies_are_not_trained_on(build):
    X, known = rows(), told(anomalies=[3, 7, 290, 295, 299])
    other = X.copy()
    other[known == 1] += 1000.0  # whatever they are, the model of the others is the same
    fitted = [
        build(contamination=0.1, random_state=0).fit(rows_, known=known) for rows_ in (X, other)
    ]
    if isinstance(fitted[0], RobustEnsembleDetector):
        scores = [one.member_scores(X) for one in fitted]  # weights look at the known rows
    else:
        scores = [one.decision_function(X) for one in fitted]
    np.testing.assert_array_equal(*scores)
    frequency = fitted[0].keep_frequency_
    assert (frequency[known == 1] == 0).all() and frequency[known != 1].mean() > 0.8
    assert (fitted[0].labels_[known == 1] == 1).all()
    far = fitted[1].decision_scores_
    assert far[known == 1].min() > np.median(far)
    assert len(fitted[0].sample_scores_) == len(X)


def test_known_normal_rows_are_always_kept(build):
    X, normal = rows(), np.arange(285, 300)
    settings = {"contamination": 0.1, "random_state": 0}
    before, after = build(**settings).fit(X), build(**settings).fit(X, known=told(normal=normal))
    if not isinstance(after, RobustEnsembleDetector):
        assert before.keep_frequency_[normal].mean() < 0.5
        assert (after.keep_frequency_[normal] == 1).all()
    assert (before.labels_[normal] == 1).all() and (after.labels_[normal] == 0).all()
    rank = [(one.decision_scores_ < one.decision_scores_[-1]).mean() for one in (before, after)]
    assert rank[1] <= rank[0]


@pytest.mark.parametrize("member", [TrimmedGaussian, TrimmedHistogram])
def test_simple_members_keep_known_normal_rows(member):
    X, is_normal = rows(), np.arange(300) >= 285
    gaps = []
    for kept_always in (None, is_normal):
        scores = member(0.1).fit(X, kept_always).decision_scores_
        gaps.append(scores[is_normal].mean() - scores[~is_normal].mean())
    assert gaps[1] < 0.9 * gaps[0]


def test_the_threshold_counts_rows_that_are_not_known():
    known = told(anomalies=range(285, 295), normal=range(50))
    detector = RobustEnsembleDetector(0.05, members=SIMPLE, random_state=0)
    detector.fit(rows(), known=known)  # 5 % are 15 rows, of which 10 are known
    assert detector.labels_.sum() == 15 and detector.contamination_ == 0.05
    assert (detector.labels_[295:] == 1).all() and (detector.labels_[:50] == 0).all()
    np.testing.assert_array_equal(detector.inlier_mask_, detector.labels_ == 0)
    assert detector.reset_threshold(0.1).labels_.sum() == 30


def test_the_threshold_is_lowered_to_the_known_anomalies():
    X = rows(shift=0.0)
    far = np.argsort(RobustEnsembleDetector(members=SIMPLE, random_state=0).fit(X).decision_scores_)
    known = told(anomalies=far[[200, 220, 240]])
    settings = {"members": SIMPLE, "weights": "equal", "random_state": 0}
    detector = RobustEnsembleDetector(0.01, **settings).fit(X, known=known)
    scores = detector.decision_scores_
    middle = np.median(scores[known == 1])
    assert np.nextafter(middle, -np.inf) == detector.threshold_
    assert (detector.labels_[known == -1] == (scores > middle)[known == -1]).all()
    low = told(anomalies=far[:3])
    detector = RobustEnsembleDetector(0.01, **settings).fit(X, known=low)
    assert detector.threshold_ == np.median(detector.decision_scores_)


def test_auto_counts_known_anomalies_in():
    known = told(anomalies=range(285, 295))
    detector = RobustEnsembleDetector("auto", members=SIMPLE, random_state=0)
    detector.fit(rows(), known=known)
    low, high = detector.contamination_interval_
    assert 10 / 300 <= low <= detector.contamination_ <= high <= 0.5


def test_members_that_rank_known_anomalies_high_weigh_more():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.99], [0.0, 0.14]])
    X[380:, 1] = -X[380:, 0]  # usual in each column, odd together
    settings = {"members": ("gaussian", "marginal"), "random_state": 0}
    plain = RobustEnsembleDetector(0.05, **settings).fit(X)
    helped = RobustEnsembleDetector(0.05, **settings).fit(X, known=told(400, range(380, 385)))
    assert helped.weights_[0] > plain.weights_[0] + 0.1 and np.isclose(helped.weights_.sum(), 1)
    bad = np.arange(400) >= 380
    auc = [roc_auc_score(bad, one.decision_function(X)) for one in (plain, helped)]
    assert auc[1] > auc[0] + 0.01
    equal = RobustEnsembleDetector(0.05, weights="equal", **settings)
    assert (equal.fit(X, known=told(400, range(380, 385))).weights_ == 0.5).all()


def test_two_known_anomalies_are_too_few_for_weights():
    scores = np.random.RandomState(0).normal(size=(50, 2))
    given = np.array([0.3, 0.7])
    for n, same in ((2, True), (3, False)):
        known = told(50, range(n))
        scores[:n] = [5.0, -5.0]
        assert (by_known(given, scores, known) == given).all() == same


def test_a_selector_is_overruled_and_asked_for_what_it_has():
    class Drops:
        score = "loss-gradient"

        def __call__(self, scores, y, row_ids, progress):
            return Selection(torch.tensor([[2, 3]]), counts=False)

        def keep_held_out(self, scores, losses):
            return "held out"

    keeper = KeepKnown(Drops(), torch.tensor([True, False, False, False, True]))
    chosen = keeper(torch.arange(4.0)[None], None, torch.tensor([0, 1, 2, 4]), Progress(0, 1, 0, 1))
    np.testing.assert_array_equal(chosen.mask(4), [[True, False, True, True]])
    assert not chosen.counts and keeper.score == "loss-gradient"
    assert keeper.keep_held_out(None, None) == "held out" and not hasattr(keeper, "rescore")
    trim = KeepKnown(Trim(DropSchedule(0.5)), torch.tensor([False, False, False, True]))
    kept = trim(torch.arange(4.0)[None], None, torch.arange(4), Progress(1, 2, 1, 2))
    np.testing.assert_array_equal(kept.mask(4), [[True, False, False, True]])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([1, -1], "known has shape"),
        ([[1], [-1], [-1], [-1]], "known has shape"),
        ([2, -1, -1, -1], "known has .*2.*allowed are 1"),
        ([np.nan, -1, -1, -1], "known has .*nan"),
        ([True, True, False, False], "known has .*allowed"),
        (["1", "-1", "-1", "-1"], "known has"),
        ([0, 0, 1, 1], "every row"),
        ([1, 1, 1, -1], "fewer than two rows"),
    ],
)
def test_bad_known(known, message):
    with pytest.raises(ValueError, match=message):
        validate_known(known, 4)
    detector = RobustEnsembleDetector(0.1, members=SIMPLE)
    with pytest.raises(ValueError, match="known"):
        detector.fit(rows(4, 1), known=known)
    assert not hasattr(detector, "n_features_in_")
