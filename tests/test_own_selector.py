"""Selectors, losses and batches that somebody brings along, by public names alone."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skrobust import PRLClassifier, PRLRegressor, RCADetector, RobustRealNVPDetector
from skrobust.selection import DropSchedule, Selection, Trim, crossentropy, squared_error

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 25, "random_state": 0}
LEARNERS = {
    "classifier": (PRLClassifier, {}),
    "regressor": (PRLRegressor, {"robust_start": 0.0, "n_networks": 2}),
}
DETECTORS = {
    "RCA": (RCADetector, {"n_passes": 2, "latent_dim": 2}),
    "plain RCA": (RCADetector, {"n_passes": 0, "latent_dim": 2, "dropout": 0.0, "n_networks": 1}),
    "RealNVP": (RobustRealNVPDetector, {"n_couplings": 2, "min_steps": None}),
}
ALL = {**LEARNERS, **DETECTORS}
NOTED = []


@pytest.fixture
def X():
    return np.random.RandomState(0).normal(size=(100, 4))


@pytest.fixture
def y(X):
    return np.digitize(X[:, 0] - X[:, 1], [-0.6, 0.6])


@pytest.fixture(params=ALL)
def make(request):
    """Return a function that builds an estimator, small and quick."""
    kind, settings = ALL[request.param]
    return lambda **more: kind(**{**QUICK, **settings, **more})


class KeepShare:
    """Keeps a share of the rows, and notes what it is given."""

    def __init__(self, share=0.8):
        self.share = share
        self.n_calls = 0

    def __call__(self, scores, y, row_ids, progress):
        self.n_calls += 1
        NOTED.append((self.n_calls, scores, y, row_ids, progress))
        return Selection(scores.argsort(dim=1)[:, : int(self.share * scores.shape[1])])


class FirstHalf:
    """Keeps the first half of the training rows, whatever their scores."""

    def __call__(self, scores, y, row_ids, progress):
        rows = torch.arange(len(row_ids)).expand(scores.shape)
        return Selection(rows, (row_ids < 50).float().expand(scores.shape))


class OfScore(KeepShare):
    def __init__(self, score):
        super().__init__(1.0)
        self.score = score


def test_a_selector_is_called_with_what_is_documented(make, X, y):
    NOTED.clear()
    estimator = make(selection=KeepShare()).fit(X, y)
    n_networks = estimator.net_.n_networks
    assert [noted[0] for noted in NOTED] == list(range(1, 13))
    for n_calls, scores, targets, row_ids, progress in NOTED:
        assert scores.shape == (n_networks, 25) and not scores.requires_grad
        assert row_ids.shape == (25,) and row_ids.dtype == torch.int64
        assert progress == ((n_calls - 1) // 4, 3, n_calls - 1, 12)
        if isinstance(estimator, PRLClassifier):
            assert torch.equal(targets, torch.from_numpy(y)[row_ids])
        elif isinstance(estimator, PRLRegressor):
            assert targets.shape == (25, 1) and targets.dtype == torch.float32
            assert np.corrcoef(targets[:, 0], y[row_ids])[0, 1] > 0.999
        else:
            assert torch.equal(targets, row_ids)
    for epoch in range(3):
        seen = torch.cat([noted[3] for noted in NOTED[4 * epoch : 4 * epoch + 4]])
        assert sorted(seen.tolist()) == list(range(100))


def test_training_sees_the_rows_that_the_selector_keeps(make, X, y):
    """The others are far off, and do not decide anything."""
    far = X.copy()
    far[50:] = 0.5  # other rows within the range, so that scaling is the same
    far[50:60] = X[50:60]
    settings = {"preprocessing": None, "selection": FirstHalf()}
    settings |= {"lr": 1e-2, "random_state": 0}
    fitted = make(**settings).fit(X, y)
    np.testing.assert_array_equal(fitted.keep_frequency_, np.arange(100) < 50)
    other = make(**settings).fit(far, y)
    plain = [make(**{**settings, "selection": None}).fit(rows, y) for rows in (X, far)]
    for a, b, same in [(fitted, other, True), (*plain, False)]:
        weights = [
            torch.cat([p.flatten() for p in one.net_.module_.parameters()]) for one in (a, b)
        ]
        assert torch.allclose(*weights, rtol=1e-4, atol=1e-6) == same


def test_a_state_belongs_to_one_training(make, X, y):
    selector = KeepShare()
    estimator = make(selection=selector)
    NOTED.clear()
    first = estimator.fit(X, y).sample_scores_
    second = estimator.fit(X, y).sample_scores_
    assert selector.n_calls == 0 and estimator.selection is selector
    assert [noted[0] for noted in NOTED] == 2 * list(range(1, 13))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["classifier", "RCA", "RealNVP"])
def test_trimming_as_an_object_equals_trimming_by_name(name, X, y):
    kind, settings = ALL[name]
    settings = {**QUICK, **settings, "warmup": 2}
    is_learner = name in LEARNERS
    by_name = {"corruption_rate": 0.3} if is_learner else {"contamination": 0.3}
    schedule = DropSchedule(0.3, warmup=2, margin=1.0)
    named = kind(selection="loss", margin=1.0, **by_name, **settings).fit(X, y)
    own = kind(selection=Trim(schedule), **by_name, **settings).fit(X, y)
    plain = kind(selection=None, **by_name, **settings).fit(X, y)
    np.testing.assert_array_equal(own.sample_scores_, named.sample_scores_)
    np.testing.assert_array_equal(own.keep_frequency_, named.keep_frequency_)
    assert own.keep_frequency_.min() == 0 and plain.keep_frequency_.min() == 1
    assert not np.array_equal(plain.sample_scores_, named.sample_scores_)


def norms_by_autograd(net, target_of, loss, rows):
    """Norm of the gradient of each row's loss: by all parameters, and by the output."""
    found = {"gradient": [], "loss-gradient": [], "loss": []}
    parameters = list(net.module_.parameters())
    for i in range(len(rows)):
        x = rows[None, i : i + 1]
        output = net.module_(x)
        value = loss(output, target_of(i, x)).sum()
        gradients = torch.autograd.grad(value, [output, *parameters], allow_unused=True)
        squares = [0.0 if g is None else g.square().sum().item() for g in gradients]
        found["loss-gradient"].append(squares[0] ** 0.5)
        found["gradient"].append(sum(squares[1:]) ** 0.5)
        found["loss"].append(value.item())
    return found


@pytest.mark.parametrize("score", ["loss", "loss-gradient", "gradient"])
@pytest.mark.parametrize(
    "name",
    [*LEARNERS, "plain RCA", "RealNVP"],
)
def test_a_selector_gets_the_scores_that_it_asks_for(name, score, X, y):
    kind, settings = ALL[name]
    once = {"max_epochs": 1, "batch_size": 100, "lr": 1e-12}
    once |= {"regressor": {"n_networks": 1}, "RealNVP": {"lipschitz": None}}.get(name, {})
    NOTED.clear()
    estimator = kind(selection=OfScore(score), **{**QUICK, **settings, **once})
    if name == "RealNVP" and score == "gradient":
        message = r"selection.score='gradient' is not known for RobustRealNVPDetector.*'loss'"
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y)
        return
    estimator.fit(X, y)
    ((_, scores, targets, row_ids, _),) = NOTED
    rows = torch.from_numpy(estimator._preprocessor.transform(X))[row_ids]
    net = estimator.net_
    if name in LEARNERS:
        loss = crossentropy if name == "classifier" else squared_error
        expected = norms_by_autograd(net, lambda i, x: targets[i : i + 1], loss, rows)[score]
    else:
        loss = squared_error if name == "plain RCA" else estimator.row_scores
        expected = norms_by_autograd(net, lambda i, x: x, loss, rows)[score]
    torch.testing.assert_close(scores[0], torch.tensor(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*LEARNERS, *DETECTORS])
def test_a_score_that_there_is_not_is_named(name, X, y):
    kind, settings = ALL[name]
    message = r"selection.score must be one of .*loss-gradient.*; got 'gradients'"
    with pytest.raises(ValueError, match=message):
        kind(selection=OfScore("gradients"), **{**QUICK, **settings}).fit(X, y)


@pytest.mark.parametrize("selection", ["largest", 3, [0, 1]], ids=str)
def test_what_is_no_selector_is_refused(make, X, y, selection):
    with pytest.raises(ValueError, match="'selection' parameter"):
        make(selection=selection).fit(X, y)


def test_selectors_are_cloned_pickled_and_searched_over(make, X, y):
    estimator = make(selection=KeepShare(0.7))
    copied = clone(estimator)
    assert copied.selection is not estimator.selection and copied.selection.share == 0.7
    fitted = estimator.fit(X, y)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.selection.share == 0.7
    method = "predict" if hasattr(fitted, "score_samples") is False else "decision_function"
    np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))
    again = clone(loaded).fit(X, y)
    np.testing.assert_array_equal(again.sample_scores_, fitted.sample_scores_)
    grid = {"selection": [KeepShare(0.6), KeepShare(0.9), "loss", None]}
    labels = y if isinstance(fitted, (PRLClassifier, PRLRegressor)) else None
    search = GridSearchCV(make(), grid, cv=2, error_score="raise").fit(X, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.sample_scores_.shape == (100,)


def own_crossentropy(output, target):
    """Of tensors (n_networks, n_rows, n_classes) and labels (n_rows,)."""
    index = target.expand(output.shape[:-1]).unsqueeze(-1)
    return -output.log_softmax(dim=-1).gather(-1, index).squeeze(-1)


def own_squared_error(output, target):
    return ((output - target) ** 2).sum(dim=-1)


def own_huber(output, target):
    return torch.nn.functional.huber_loss(
        output, target.expand_as(output), reduction="none", delta=1.0
    ).sum(dim=-1)


@pytest.mark.parametrize("selection", ["loss-gradient", "gradient", "loss", None])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_a_loss_of_ones_own_equals_the_built_in_one(selection, n_networks, X, y):
    settings = {**QUICK, "n_networks": n_networks, "selection": selection, "lr": 1e-2}
    for kind, name, own in [
        (PRLClassifier, "cross_entropy", own_crossentropy),
        (PRLRegressor, "squared_error", own_squared_error),
        (PRLRegressor, "huber", own_huber),
    ]:
        if name == "huber" and selection == "loss-gradient":
            continue  # the built-in one orders rows of equal gradients by their errors
        named = kind(loss=name, **settings).fit(X, y)
        mine = kind(loss=own, **settings).fit(X, y)
        other = kind(loss=lambda output, target: 3 * own(output, target) ** 2, **settings)  # noqa: B023
        np.testing.assert_allclose(mine.sample_scores_, named.sample_scores_, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(mine.predict(X), named.predict(X), rtol=1e-3, atol=1e-4)
        losses = [one.history_[:, "train_loss"] for one in (named, mine, other.fit(X, y))]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
        assert not np.allclose(losses[2], losses[0], rtol=0.05)


@pytest.mark.parametrize("base", ["autoencoder", "vae"])
def test_a_detectors_loss_of_ones_own_equals_the_built_in_one(base, X):
    kind, settings = DETECTORS["RCA"]
    # the built-in loss of rows from 0 to 1 has outputs from 0 to 1, which no other loss has
    settings = {**QUICK, **settings, "base": base, "preprocessing": "standard", "scoring": "sum"}
    named = kind(**settings).fit(X)
    mine = kind(loss=own_squared_error, **settings).fit(X)
    other = kind(loss=lambda output, x: (output - x).abs().sum(dim=-1), **settings).fit(X)
    for what in ("sample_scores_", "decision_scores_"):
        np.testing.assert_allclose(getattr(mine, what), getattr(named, what), rtol=1e-4)
        assert not np.allclose(getattr(other, what), getattr(named, what), rtol=0.01)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mine)).predict(X), named.predict(X))


class Growing:
    """Batches that grow with every epoch, as skorch's ``iterator_train``."""

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset, self.batch_size, self.epoch = dataset, batch_size, 0

    def __len__(self):
        return -(-len(self.dataset) // (self.batch_size * (1 + self.epoch)))

    def __iter__(self):
        size = self.batch_size * (1 + self.epoch)
        self.epoch += 1
        order = torch.randperm(len(self.dataset))
        for start in range(0, len(order), size):
            yield self.dataset[order[start : start + size]]


class Watch(Callback):
    def __init__(self):
        self.seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.state_.progress)


def growing(kind=PRLClassifier, **more):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4))
    watch = Watch()
    settings = {**QUICK, "batch_size": 20, "iterator_train": Growing, "callbacks": [watch]}
    estimator = kind(**{**settings, "max_epochs": 4, **more})
    return estimator.fit(X, (X[:, 0] > 0).astype(int)), watch.seen


@pytest.mark.parametrize("kind", [PRLClassifier, RCADetector])
def test_growing_batches_do_not_corrupt_the_counters(kind):
    estimator, seen = growing(kind)
    batches = estimator.history_[:, "train_batch_count"]
    assert batches == [10, 5, 4, 3]
    # after each epoch: the epochs and steps that are done, and the plan that it was trained by
    assert [p.step for p in seen] == [10, 15, 19, 22]
    assert [p.epoch for p in seen] == [1, 2, 3, 4]
    assert [p.n_steps for p in seen] == [40, 25, 23, 22]
    assert seen[-1].step == seen[-1].n_steps == 22


def test_growing_batches_follow_the_ramp():
    """Drop rates are those of the epochs, whatever the number of their batches."""
    watched = []

    class Note(Trim):
        def __call__(self, scores, y, row_ids, progress):
            chosen = super().__call__(scores, y, row_ids, progress)
            watched.append((progress.epoch, scores.shape[1], chosen.rows.shape[1]))
            return chosen

    growing(selection=Note(DropSchedule(0.4, warmup=0.5)))
    for epoch, n_rows, n_kept in watched:
        assert n_rows - n_kept == np.ceil([0, 0.2, 0.4, 0.4][epoch] * n_rows - 1e-9)
    assert sum(epoch == 3 for epoch, *_ in watched) == 3


@pytest.mark.parametrize(("min_steps", "batches"), [(22, 4), (23, 5), (27, 7), (31, 9), (33, 11)])
def test_growing_batches_meet_min_steps(min_steps, batches, monkeypatch):
    monkeypatch.setattr(PRLClassifier, "usual_epochs", 4)
    estimator, seen = growing(min_steps=min_steps, max_epochs=None)
    counts = estimator.history_[:, "train_batch_count"]
    assert counts == [10, 5, 4, 3, 2, 2, 2, 2, 2, 1, 1, 1][: len(counts)]
    assert len(counts) == batches or sum(counts) >= min_steps > sum(counts[:-1])
    assert seen[-1].step == seen[-1].n_steps == sum(counts)


def test_answers_and_objects_that_are_none_are_named(X, y):
    def answer(scores, y, row_ids, progress):
        return scores

    with pytest.raises(TypeError, match="selection must return a Selection, got a Tensor"):
        PRLClassifier(selection=answer, max_epochs=1).fit(X, y)
    with pytest.raises(TypeError, match="selection must be an object, not the class KeepShare"):
        PRLClassifier(selection=KeepShare, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"loss must return one number per network and row"):
        PRLClassifier(loss=lambda output, target: output.sum(), max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"selection.score='loss-gradient' is not known for RCA"):
        RCADetector(base="vae", selection=OfScore("loss-gradient"), max_epochs=1).fit(X)


def test_held_out_rows_are_chosen_by_the_trainings_own_copy(X, y):
    """A selector that remembers is not asked for held-out rows as it was before training."""

    class Remembers(KeepShare):
        def __init__(self, share):
            super().__init__(share)
            self.seen = 0

        def __len__(self):
            return 0

        def __call__(self, scores, y, row_ids, progress):
            self.seen += 1
            return super().__call__(scores, y, row_ids, progress)

        def keep_held_out(self, scores, losses):
            assert self.seen > 0
            return Selection(losses.argsort(dim=1))

    given = Remembers(0.7)
    settings = {"early_stopping": True, "max_epochs": 3, "hidden_layer_sizes": (4,)}
    model = PRLClassifier(selection=given, **settings).fit(X, y)
    assert given.seen == 0
    assert np.isfinite(model.history_[:, "valid_loss"]).all()
