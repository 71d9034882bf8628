"""The skorch net: length of training, callbacks, interruption, a loss that is not finite."""

import gc
import os
import pickle
import signal
import weakref

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
)
from skrobust.detectors import RobustDetector
from skrobust.networks import Autoencoder
from skrobust.selection import DropSchedule, Trim, squared_error
from skrobust.training import DeviceBatches, KeptShare, RobustNet, RowDataset, SharedPass

SMALL = {"hidden_layer_sizes": (8,), "latent_dim": 2, "n_passes": 2, "random_state": 0}
ESTIMATORS = [
    RCADetector,
    RobustRealNVPDetector,
    PRLClassifier,
    PRLRegressor,
    BackdoorRobustClassifier,
    FinePruningClassifier,
    SemiSupervisedBackdoorClassifier,
]


@pytest.fixture
def X():
    return np.random.RandomState(0).rand(100, 4)


@pytest.fixture(autouse=True)
def interruptible():
    """Python's own handler; a process started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class StopAfter(Callback):
    """What a callback that wants to end training does in skorch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


class CtrlC(Callback):
    """A real interrupt from outside, at a given moment."""

    def __init__(self, method):
        self.method = method

    def _interrupt(self, net):
        if len(net.history) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(10**6))  # the signal arrives here

    def on_epoch_end(self, net, **kwargs):
        if self.method == "on_epoch_end":
            self._interrupt(net)

    def on_batch_end(self, net, **kwargs):
        if self.method == "on_batch_end":
            self._interrupt(net)


@pytest.mark.parametrize(("min_steps", "n_epochs"), [(None, 3), (10, 3), (17, 5), (40, 10)])
def test_epochs_repeat_until_epochs_and_steps_are_met(X, min_steps, n_epochs, monkeypatch):
    monkeypatch.setattr(RCADetector, "usual_epochs", 3)
    detector = RCADetector(min_steps=min_steps, batch_size=25, **SMALL).fit(X)
    assert len(detector.history_) == n_epochs
    assert detector.history_[-1, "train_batch_count"] == 4


def test_warmup_follows_the_planned_length(X, monkeypatch):
    """With min_steps the ramp is a share of what is really trained."""
    monkeypatch.setattr(RCADetector, "usual_epochs", 1)
    long = RCADetector(min_steps=40, batch_size=25, **SMALL).fit(X)
    same = RCADetector(max_epochs=10, batch_size=25, **SMALL).fit(X)
    np.testing.assert_array_equal(long.decision_scores_, same.decision_scores_)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_max_epochs_and_max_steps_are_maxima(kind, X):
    """Whatever min_steps says: what the user gives wins, for every estimator that trains."""
    settings = {"hidden_layer_sizes": (4,), "batch_size": 25, "random_state": 0}
    y = np.arange(len(X)) % 2
    few = kind(max_epochs=2, min_steps=500, **settings).fit(X, y)
    assert len(few.history_) == 2
    cut = kind(max_steps=6, **settings).fit(X, y)  # of four steps an epoch
    counts = cut.history_[:, "train_batch_count"]
    assert sum(counts) == 6 and len(counts) == 2
    assert np.isfinite(cut.sample_scores_).all() and np.isfinite(cut.keep_frequency_).all()
    both = kind(max_epochs=1, max_steps=6, **settings).fit(X, y)
    assert len(both.history_) == 1


def test_warmup_is_a_share_of_what_max_steps_leaves(X):
    rates = []

    class Watch(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if training:
                state = net.state_
                rates.append(state.selector.schedule.drop_rate(state.progress, 25))

    settings = {"contamination": 0.2, "margin": 0.0, "warmup": 0.5, "callbacks": [Watch()]}
    RCADetector(max_steps=10, batch_size=25, **settings, **SMALL).fit(X)
    assert len(rates) == 10  # two epochs and a half
    assert rates[0] == 0 and 0 < rates[4] < 0.2 and rates[-1] == 0.2


@pytest.mark.parametrize("method", ["on_epoch_end", "on_batch_end"])
def test_ctrl_c_propagates_and_leaves_the_detector_as_it_was(X, method):
    detector = RCADetector(max_epochs=5, **SMALL).fit(X)
    before = dict(vars(detector))
    detector.callbacks = [CtrlC(method)]
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X[:50, :3])
    after = {**vars(detector), "callbacks": None}
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert detector.decision_function(X).shape == (100,)


def test_ctrl_c_propagates_through_a_handler_written_in_python(X):
    def handler(signum, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)  # the fixture restores it
    for method in ("on_epoch_end", "on_batch_end"):
        with pytest.raises(KeyboardInterrupt):
            RCADetector(max_epochs=5, callbacks=[CtrlC(method)], **SMALL).fit(X)


def test_ctrl_c_on_an_unfitted_detector_leaves_it_unfitted(X):
    detector = RCADetector(max_epochs=5, callbacks=[CtrlC("on_epoch_end")], **SMALL)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X)
    assert not [name for name in vars(detector) if name.endswith("_")]


def test_a_callback_that_stops_training_is_not_an_interrupt(X):
    detector = RCADetector(max_epochs=50, callbacks=[StopAfter(4)], **SMALL).fit(X)
    assert len(detector.history_) == 4
    assert detector.labels_.sum() == 10


def test_skorch_callbacks_and_a_validation_split_work(X, tmp_path):
    detector = RCADetector(
        max_epochs=60,
        lr=0.05,
        train_split=ValidSplit(0.2, random_state=0),
        callbacks=[
            EarlyStopping(monitor="valid_loss", patience=3, load_best=True),
            Checkpoint(monitor="valid_loss_best", dirname=tmp_path),
            LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.99),
        ],
        **SMALL,
    ).fit(X)
    assert 3 < len(detector.history_) < 60
    assert (tmp_path / "params.pt").exists()
    held_out = np.isnan(detector.keep_frequency_)
    assert held_out.sum() == 20
    assert np.isfinite(detector.sample_scores_).all()
    assert np.isfinite(detector.decision_scores_).all()


def test_validation_loss_leaves_out_the_share_that_is_dropped(X):
    """A held-out row that is far off does not decide when to stop."""
    far = X.copy()
    held_out = ValidSplit(0.2, random_state=0)(RowDataset(torch.from_numpy(X)))[1].indices
    far[held_out[0]] = 1e3
    settings = {"max_epochs": 3, "preprocessing": None, "margin": 0.0, **SMALL}
    settings |= {"train_split": ValidSplit(0.2, random_state=0), "random_state": 0}
    robust = RCADetector(**settings).fit(far)
    assert robust.history_[-1, "valid_loss"] < 6
    plain = RCADetector(**{**settings, "contamination": 0.0}).fit(far)
    assert plain.history_[-1, "valid_loss"] > 12


def test_held_out_rows_are_scored_by_the_final_model(X):
    detector = RCADetector(
        max_epochs=3, n_networks=1, train_split=ValidSplit(0.2, random_state=0), **SMALL
    )
    detector.set_params(n_passes=0, scoring="sum").fit(X)
    held_out = np.isnan(detector.keep_frequency_)
    np.testing.assert_allclose(
        detector.sample_scores_[held_out], detector.decision_scores_[held_out], rtol=1e-5
    )


def test_plain_dataloader_trains_the_same_kind_of_model(X):
    detector = RCADetector(
        max_epochs=5, iterator_train=torch.utils.data.DataLoader, batch_size=32, **SMALL
    ).fit(X)
    assert detector.history_[-1, "train_loss"] < detector.history_[0, "train_loss"]


def test_loss_that_is_not_finite_names_epoch_and_batch(X):
    detector = RCADetector(
        preprocessing="standard", optimizer=torch.optim.SGD, lr=1e6, max_epochs=9, **SMALL
    )
    message = r"training loss became (nan|inf) in epoch \d+, batch \d of \d; .*lr"
    with pytest.raises(FloatingPointError, match=message):
        detector.fit(X)
    assert not hasattr(detector, "net_")


def test_fit_changes_the_weights_and_lowers_the_loss(X):
    detector = RCADetector(max_epochs=60, lr=1e-2, dropout=0.0, **SMALL).fit(X)
    losses = detector.history_[:, "train_loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert len(np.unique(detector.decision_scores_)) == 100


def test_weights_ruined_by_the_last_step_are_an_error_too(X):
    """The loss was finite when it was computed; the scores afterwards are not."""
    detector = RCADetector(
        preprocessing="standard", optimizer=torch.optim.SGD, lr=1e30, max_epochs=1, **SMALL
    )
    with pytest.raises(FloatingPointError, match="scores are not finite; try a smaller lr"):
        detector.fit(X)
    assert not hasattr(detector, "net_")


def test_step_counter_follows_the_batches(X):
    seen = []

    class Spy(Callback):
        def on_batch_end(self, net, **kwargs):
            seen.append(net.state_.progress)

    RCADetector(max_epochs=3, batch_size=40, callbacks=(Spy(),), **SMALL).fit(X)
    assert [p.step for p in seen] == list(range(9))
    assert [p.epoch for p in seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {(p.n_epochs, p.n_steps) for p in seen} == {(3, 9)}


def test_rows_that_an_epoch_leaves_out_do_not_count_for_it(X):
    detector = RCADetector(
        contamination=0.0,
        max_epochs=20,
        batch_size=32,
        iterator_train=torch.utils.data.DataLoader,
        iterator_train__drop_last=True,
        **SMALL,
    ).fit(X)
    assert (detector.keep_frequency_ == 1).all()


def test_no_batch_at_all_is_named(X):
    detector = RCADetector(
        iterator_train=torch.utils.data.DataLoader, iterator_train__drop_last=True, **SMALL
    )
    with pytest.raises(ValueError, match="batch_size=128 makes no batch of 100 rows"):
        detector.fit(X)


def test_a_split_without_a_seed_of_its_own_follows_random_state(X):
    detector = RCADetector(max_epochs=3, train_split=ValidSplit(0.2, stratified=False), **SMALL)
    np.random.seed(1)  # noqa: NPY002
    first = detector.fit(X).decision_scores_
    state = np.random.get_state()[2]  # noqa: NPY002
    np.testing.assert_array_equal(detector.fit(X).decision_scores_, first)
    assert np.random.get_state()[2] == state  # noqa: NPY002


def reconstructing(selector, **settings):
    return SharedPass(loss=squared_error, selector=selector, reconstructs=True, **settings)


def test_the_net_trains_with_the_memory_that_the_step_asks_for(X):
    step = reconstructing(Trim(DropSchedule(0.1)), memory="sum", memory_decay=0.5)
    net = RobustNet(
        Autoencoder, step=step, n_rows=100, module__in_features=4, max_epochs=3, device="cpu"
    ).fit(RowDataset(torch.from_numpy(X).float()))
    memory = net.state_.memory
    assert memory.mode == "sum"
    assert memory.decay == 0.5
    assert (memory.values > net.state_.record.scores).all()  # three epochs are summed


def test_the_net_trains_with_a_copy_of_the_selector_and_its_window(X):
    selector = Trim(DropSchedule(0.1), score_limit=2.0, n_recent=60)
    net = RobustNet(
        Autoencoder,
        step=reconstructing(selector),
        n_rows=100,
        module__in_features=4,
        batch_size=20,
        device="cpu",
    ).fit(RowDataset(torch.from_numpy(X).float()))
    assert net.state_.selector.window.n_rows == 60
    assert net.state_.selector.window.add(torch.zeros(1, 20)).shape == (1, 60)
    assert selector.window is None


def test_marks_of_another_length_are_refused(X):
    with pytest.raises(ValueError, match="marks has 3 entries for 100 training rows"):
        RCADetector(callbacks=[KeptShare([0, 1, 0])], **SMALL).fit(X)


def test_optimiser_is_fused_unless_another_form_is_chosen(X):
    fused = RCADetector(max_epochs=1, **SMALL).fit(X).net_
    assert fused.optimizer_.param_groups[0]["fused"] is True
    chosen = RCADetector(max_epochs=1, optimizer__foreach=True, **SMALL).fit(X).net_
    assert chosen.optimizer_.param_groups[0]["foreach"] is True


def test_net_pickles_with_its_step(X):
    net = RCADetector(max_epochs=2, **SMALL).fit(X).net_
    clone = pickle.loads(pickle.dumps(net))
    for a, b in zip(net.module_.parameters(), clone.module_.parameters(), strict=True):
        assert torch.equal(a, b)


def test_verbose_zero_is_silent_and_one_shows_progress(X, capsys):
    RCADetector(max_epochs=2, **SMALL).fit(X)
    assert capsys.readouterr() == ("", "")
    RCADetector(max_epochs=2, verbose=1, **SMALL).fit(X)
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", [RCADetector, RobustRealNVPDetector, PRLClassifier, BackdoorRobustClassifier]
)
def test_a_dropped_estimator_is_freed_at_once(X, kind):
    """Not left to the garbage collector: the net must not hold the estimator that holds it."""
    given = (X,) if issubclass(kind, RobustDetector) else (X, np.arange(len(X)) % 2)
    settings = {"max_epochs": 1, "hidden_layer_sizes": (8,)}
    kind(**settings).fit(*given)  # what libraries do when they are first used may hold it
    gc.disable()
    try:
        model = kind(**settings).fit(*given)
        alive = weakref.ref(model.net_.module_)
        del model
        assert alive() is None
    finally:
        gc.enable()


def test_a_trained_net_trains_on_and_judges_other_rows(X):
    detector = RCADetector(max_epochs=1, **SMALL).fit(X)
    data = RowDataset(torch.from_numpy(X).float())
    batch = next(iter(DeviceBatches(data, 20)))
    assert torch.isfinite(detector.net_.validation_step(batch)["loss"])
    part = torch.utils.data.Subset(data, list(range(50)))
    assert len(detector.net_.partial_fit(part).history) > 1


def test_a_net_runs_rows_as_it_is(X):
    """For callbacks: dropout off, and training goes on afterwards."""
    outputs = []

    class Run(Callback):
        def on_epoch_end(self, net, **kwargs):
            outputs.append([net.run_rows(torch.from_numpy(X).float()) for _ in range(2)])

    RCADetector(max_epochs=2, batch_size=30, callbacks=[Run()], **SMALL).fit(X)
    for first, second in outputs:
        assert first.shape == (2, 100, 4)
        assert torch.equal(first, second)
    assert not torch.equal(outputs[0][0], outputs[1][0])
