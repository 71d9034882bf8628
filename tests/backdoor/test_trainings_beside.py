"""Pre-training and fine-tuning are trainings like any other: progress, callbacks, interrupts."""

import os
import signal

import numpy as np
import pytest
from skorch.callbacks import Callback

from skrobust import FinePruningClassifier, SemiSupervisedBackdoorClassifier

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 2, "random_state": 0}
CASES = {
    "pretrain": (SemiSupervisedBackdoorClassifier, {"pretrain_epochs": 4}),
    "fine_tune": (FinePruningClassifier, {"fine_tune_epochs": 4}),
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def X():
    return np.random.RandomState(0).normal(size=(120, 4))


@pytest.fixture
def y(X):
    return np.digitize(X[:, 0], [-0.5, 0.5])


@pytest.fixture(autouse=True)
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=CASES)
def case(request):
    """The training's name, and a function that builds an estimator with callbacks for it."""
    kind, settings = CASES[request.param]

    def make(*callbacks, **more):
        watched = {f"{request.param}_callbacks": list(callbacks) or None}
        return kind(**{**QUICK, **settings, **watched, **more})

    return request.param, make


class Count(Callback):
    def __init__(self):
        self.epochs = self.batches = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1

    def on_batch_end(self, net, **kwargs):
        self.batches += 1


class CtrlC(Callback):
    """A real interrupt, in the third epoch."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(10**6))  # the signal arrives here


class Stop(Callback):
    """What ends a training in skorch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_it_has_a_history_and_runs_its_own_callbacks_only(case, X, y):
    name, make = case
    own, other = Count(), Count()
    model = make(own, callbacks=[other]).fit(X, y)
    history = getattr(model, f"{name}_history_")
    losses = history[:, "train_loss"]
    assert len(losses) == own.epochs == 4 and np.isfinite(losses).all()
    assert own.batches == sum(history[:, "train_batch_count"])
    assert other.epochs == 2 == len(model.history_)
    if name == "pretrain":
        np.testing.assert_array_equal(model.pretrain_losses_, losses)


def test_it_shows_progress_only_when_it_is_asked_to(case, X, y, capsys):
    _, make = case
    make().fit(X, y)
    assert capsys.readouterr() == ("", "")
    make(verbose=1).fit(X, y)
    shown = capsys.readouterr().err
    assert "4/4" in shown and "2/2" in shown


def test_ctrl_c_leaves_the_estimator_as_it_was(case, X, y):
    name, make = case
    model = make().fit(X, y)
    model.set_params(**{f"{name}_callbacks": [CtrlC()]})
    before, predictions = dict(vars(model)), model.predict_proba(X)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:60, :3], y[:60])
    after = vars(model)
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)
    np.testing.assert_array_equal(model.predict_proba(X), predictions)
    fresh = make(CtrlC())
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, y)
    assert not [key for key in vars(fresh) if key.endswith("_")]


def test_a_callback_may_end_it(case, X, y):
    name, make = case
    model = make(Stop()).fit(X, y)
    assert len(getattr(model, f"{name}_history_")) == 2
    assert len(model.history_) == 2 and model.predict(X).shape == (120,)
