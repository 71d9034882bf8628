"""A detector of one's own: two methods, a hook between building and training, nothing else."""

import pickle

import numpy as np
import pytest
import torch
from pyod.models.base import BaseDetector
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from skrobust import OutlierDetectorAdapter
from skrobust.detectors import RobustDetector
from skrobust.networks import StackedMLP
from skrobust.selection import DropSchedule, Trim

QUICK = {"max_epochs": 4, "batch_size": 50, "random_state": 0}


class Distance(RobustDetector):
    """Distance of a network's output from where the rows were before training."""

    def make_network(self, n_features):
        return StackedMLP((n_features, 8, 3), n_networks=2)

    def before_training(self, networks, x):
        with torch.no_grad():
            output = networks(x.expand(2, *x.shape))
        self.centre_ = output.median(dim=1, keepdim=True).values
        self.seen_ = x.clone(), [p.detach().clone() for p in networks.parameters()]

    def row_scores(self, output, x):
        return (output - self.centre_).square().sum(dim=-1)


class First(Callback):
    def on_batch_begin(self, net, training=False, **kwargs):
        if training and net.state_.progress.step == 0:
            self.weights_ = [p.detach().clone() for p in net.module_.parameters()]


def test_the_hook_sees_the_networks_before_the_first_step_and_all_rows(contaminated):
    X, _ = contaminated
    first = First()
    detector = Distance(callbacks=[first], **QUICK).fit(X)
    rows, weights = detector.seen_
    np.testing.assert_array_equal(rows, detector._preprocessor.transform(X))
    assert all(torch.equal(a, b) for a, b in zip(weights, first.weights_, strict=True))
    trained = list(detector.net_.module_.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(weights, trained, strict=True))


def test_everything_else_is_there(contaminated):
    X, y = contaminated
    detector = Distance(0.1, **QUICK)
    with pytest.raises(NotFittedError):
        detector.predict(X)
    detector.fit(X)
    assert isinstance(detector, BaseDetector) and detector.labels_.sum() == 40
    with torch.no_grad():
        x = torch.from_numpy(detector._preprocessor.transform(X)).expand(2, 400, 6)
        expected = detector.row_scores(detector.net_.module_.eval()(x), x).mean(dim=0)
    np.testing.assert_allclose(detector.decision_scores_, expected, rtol=1e-4)
    np.testing.assert_array_equal(detector.decision_function(X), detector.decision_scores_)
    assert detector.keep_frequency_.min() == 0 and len(detector.history_) == 4
    for copy in (pickle.loads(pickle.dumps(detector)), clone(detector).fit(X)):
        np.testing.assert_array_equal(copy.decision_function(X), detector.decision_scores_)
    assert OutlierDetectorAdapter(clone(detector)).fit(X).score_samples(X).shape == (400,)
    assert np.isfinite(detector.score(X)) and detector.score(X, y) == roc_auc_score(
        y, detector.decision_scores_
    )
    with pytest.raises(TypeError, match="unexpected keyword"):
        Distance(epochs=3).fit(X)


def test_selection_is_that_of_every_detector(contaminated):
    X, _ = contaminated
    schedule = DropSchedule(0.2, warmup=0.1, margin=1.0)
    named = Distance(0.2, **QUICK).fit(X)
    own = Distance(0.2, selection=Trim(schedule), **QUICK).fit(X)
    plain = Distance(0.2, selection=None, **QUICK).fit(X)
    np.testing.assert_array_equal(own.decision_scores_, named.decision_scores_)
    np.testing.assert_array_equal(own.keep_frequency_, named.keep_frequency_)
    assert (plain.keep_frequency_ == 1).all()
    assert not np.array_equal(plain.decision_scores_, named.decision_scores_)


def test_what_is_missing_is_named():
    class Nothing(RobustDetector):
        pass

    with pytest.raises(TypeError, match=r"make_network.*row_scores"):
        Nothing()
