"""Chapter 4 on planted corruption: each test fails when a part of the method is switched off."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from skrobust import PRLClassifier, PRLRegressor
from skrobust.corruption import corrupt_labels, corrupt_targets
from skrobust.networks import StackedMLP
from skrobust.selection import DropSchedule, bootstrap, crossentropy, huber, keep_count
from skrobust.training import KeptShare, ScoredApart

THESIS = {"margin": 0.0, "warmup": 2, "max_epochs": 8, "batch_size": 50}
SMALL = {"hidden_layer_sizes": (16,), "random_state": 0, "optimizer__fused": False}
MAKERS = {"classifier": PRLClassifier, "regressor": PRLRegressor}


class Replay(Callback):
    """Keeps what a reference needs: first weights, batches, and where training stood."""

    def on_train_begin(self, net, **kwargs):
        self.first_ = {k: v.clone() for k, v in net.module_.state_dict().items()}
        self.batches_ = []

    def on_batch_begin(self, net, batch, **kwargs):
        x, (y, _) = batch
        self.batches_.append((x.clone(), y.clone(), net.state_.progress))


def planted(n=600, n_classes=5, rate=0.4, seed=0):
    """Classes on a circle, every label of a row in error moved on by one; with the truth."""
    rng = np.random.RandomState(seed)
    truth = rng.randint(n_classes, size=n)
    angle = 2 * np.pi * truth / n_classes
    X = np.c_[np.cos(angle), np.sin(angle)] + 0.35 * rng.normal(size=(n, 2))
    y, wrong = corrupt_labels(truth, rate, kind="pairflip", random_state=seed)
    return np.c_[X, rng.normal(size=(n, 8))], y, truth, wrong


def fitted(make, X, y, **parameters):
    replay = Replay()
    model = make(callbacks=[replay], **{**SMALL, **THESIS, **parameters}).fit(X, y)
    return model, replay


def networks_of(replay, n_networks):
    """Separate networks with the first weights of the stacked ones, and their optimisers."""
    shapes = [tuple(w.shape[1:]) for name, w in replay.first_.items() if name.endswith("weight")]
    sizes = [shapes[0][0], *(out for _, out in shapes)]
    networks = [StackedMLP(sizes, narrow_output=True) for _ in range(n_networks)]
    for k, network in enumerate(networks):
        network.load_state_dict({name: w[k : k + 1] for name, w in replay.first_.items()})
    return networks, [torch.optim.Adam(net.parameters(), lr=1e-3) for net in networks]


def gradients_of_rows(network, x, y):
    """Gradients of all parameters, one row at a time, as one vector per row."""
    rows = []
    for i in range(len(x)):
        loss = F.cross_entropy(network(x[None, i : i + 1])[0], y[i : i + 1])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        rows.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack(rows)


def algorithm_5(replay, n_networks, rate, by):
    """Algorithm 5 (4 or 3 with one network) as the text says, on recorded batches, with autograd.

    Returns the networks, and in how many batches the ranking by the loss, or the selection of the
    other network, would have been another.
    """
    networks, optimisers = networks_of(replay, n_networks)
    other_ranking = other_network = 0
    for x, y, progress in replay.batches_:
        n_kept = keep_count(len(x), min(rate * progress.epoch / 2, rate))
        kept = []
        for network in networks:
            output = network(x[None])[0].detach().requires_grad_()
            losses = F.cross_entropy(output, y, reduction="none")
            (gradient,) = torch.autograd.grad(losses.sum(), output)
            scores = {"loss-gradient": gradient.norm(dim=1), "loss": losses.detach()}
            if by == "gradient":
                scores["gradient"] = gradients_of_rows(network, x, y).norm(dim=1)
            rows = {name: score.argsort()[:n_kept] for name, score in scores.items()}
            kept.append(rows[by])
            other = "loss-gradient" if by == "loss" else "loss"
            other_ranking += set(rows[by].tolist()) != set(rows[other].tolist())
        other_network += set(kept[0].tolist()) != set(kept[-1].tolist())
        for k, (network, optimiser) in enumerate(zip(networks, optimisers, strict=True)):
            rows = kept[(k + 1) % n_networks]
            optimiser.zero_grad()
            F.cross_entropy(network(x[None])[0, rows], y[rows]).backward()
            optimiser.step()
    return networks, other_ranking, other_network


@pytest.mark.parametrize("selection", ["loss-gradient", "gradient", "loss"])
@pytest.mark.parametrize("n_networks", [1, 2])
@pytest.mark.parametrize("reforward", [False, True])
def test_fit_equals_the_algorithm_written_out(selection, n_networks, reforward):
    """PRL(L), PRL(G), self-paced learning, Co-PRL(L), its form with gradients, Co-teaching."""
    X, y, *_ = planted()
    parameters = {"corruption_rate": 0.4, "selection": selection, "n_networks": n_networks}
    model, replay = fitted(PRLClassifier, X, y, reforward=reforward, **parameters)
    networks, other_ranking, other_network = algorithm_5(replay, n_networks, 0.4, selection)
    assert other_ranking > 30
    assert other_network > 30 or n_networks == 1
    for k, network in enumerate(networks):
        for own, stacked in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
            torch.testing.assert_close(own[0], stacked[k], rtol=1e-3, atol=1e-4)


def set_gradient(network, gradient):
    parts = gradient.split([p.numel() for p in network.parameters()])
    for parameter, part in zip(network.parameters(), parts, strict=True):
        parameter.grad = part.view_as(parameter).clone()


def test_clipping_and_min_sgd_equal_loops():
    X, y, *_ = planted()
    for parameters in ({"clip": "row"}, {"clip": "batch"}, {"selection": "min"}):
        parameters = {"selection": None, "max_norm": 0.2, **parameters}
        model, replay = fitted(PRLClassifier, X, y, **parameters)
        (network,), (optimiser,) = networks_of(replay, 1)
        clipped = 0
        for x, targets, _ in replay.batches_:
            rows = gradients_of_rows(network, x, targets)
            if parameters["selection"] == "min":
                with torch.no_grad():
                    losses = F.cross_entropy(network(x[None])[0], targets, reduction="none")
                rows = rows[losses.argmin()][None]
            elif parameters["clip"] == "row":
                factors = (0.2 / rows.norm(dim=1, keepdim=True)).clamp(max=1)
                clipped += (factors < 1).float().mean() / len(replay.batches_)
                rows = rows * factors
            gradient = rows.mean(dim=0)
            if parameters.get("clip") == "batch":
                clipped += (gradient.norm() > 0.2).float() / len(replay.batches_)
                gradient = gradient * (0.2 / (gradient.norm() + 1e-6)).clamp(max=1)
            set_gradient(network, gradient)
            optimiser.step()
        assert clipped > 0.3 or parameters["selection"] == "min"
        for a, b in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_rows_that_are_left_are_clipped():
    """Dropping and clipping by the same norms: nothing is left to clip beyond a generous limit."""
    X, y, *_ = planted()
    limits = {}
    for max_norm in (1e-3, 1e3, None):
        clip = {} if max_norm is None else {"clip": "row", "max_norm": max_norm}
        model, _ = fitted(PRLClassifier, X, y, selection="gradient", corruption_rate=0.3, **clip)
        limits[max_norm] = model.predict_proba(X)
    np.testing.assert_allclose(limits[1e3], limits[None], rtol=1e-5)
    assert not np.allclose(limits[1e-3], limits[None], atol=0.01)


def test_decouple_trains_where_the_networks_disagree():
    X, y, *_ = planted()
    model, replay = fitted(PRLClassifier, X, y, selection="disagreement", n_networks=2)
    networks, optimisers = networks_of(replay, 2)
    shares = []
    for x, targets, _ in replay.batches_:
        outputs = [network(x[None])[0] for network in networks]
        rows = outputs[0].argmax(1) != outputs[1].argmax(1)
        shares.append(rows.float().mean())
        for output, optimiser in zip(outputs, optimisers, strict=True):
            optimiser.zero_grad()
            losses = F.cross_entropy(output, targets, reduction="none")
            ((losses * rows).sum() / rows.sum().clamp(min=1)).backward()
            optimiser.step()
    assert 0.01 < np.mean(shares) < 0.99
    for k, network in enumerate(networks):
        for own, stacked in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
            torch.testing.assert_close(own[0], stacked[k], rtol=1e-3, atol=1e-4)
    last = model.net_.module_
    with torch.no_grad():
        x = torch.from_numpy(model._preprocessor.transform(X)).expand(2, -1, -1)
        losses = crossentropy(last(x), torch.from_numpy(y)).mean(0)
    assert np.corrcoef(model.sample_scores_, losses)[0, 1] > 0.99


@pytest.mark.parametrize("loss", ["bootstrap-hard", "bootstrap-soft"])
def test_bootstrap_minimises_its_loss(loss):
    X, y, *_ = planted()
    for given, weight in (
        (None, {"bootstrap-hard": 0.8, "bootstrap-soft": 0.95}[loss]),
        (0.5, 0.5),
    ):
        model, replay = fitted(
            PRLClassifier, X, y, selection=None, loss=loss, bootstrap_weight=given
        )
        (network,), (optimiser,) = networks_of(replay, 1)
        for x, targets, _ in replay.batches_:
            optimiser.zero_grad()
            losses = bootstrap(network(x[None]), targets, weight, loss == "bootstrap-hard")
            losses.mean().backward()
            optimiser.step()
        for a, b in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("learner", MAKERS)
def test_rate_zero_and_no_selection_equal_a_plain_loop_to_the_bit(learner):
    X, y, *_ = planted()
    thesis = {} if learner == "classifier" else {"robust_start": 0.0}
    for parameters in ({"corruption_rate": 0.0}, {"corruption_rate": 0.4, "selection": None}):
        model, replay = fitted(MAKERS[learner], X, y, **parameters, **thesis)
        (network,), (optimiser,) = networks_of(replay, 1)
        for x, targets, _ in replay.batches_:
            optimiser.zero_grad()
            output = network(x[None])
            if learner == "classifier":
                F.cross_entropy(output.transpose(1, 2), targets[None]).backward()
            else:
                (output[0] - targets).square().sum(1).mean().backward()
            optimiser.step()
        for a, b in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
            assert torch.equal(a, b)


def test_robust_start_minimises_hubers_loss_for_its_share_of_the_steps():
    X, y, *_ = planted()
    model, replay = fitted(PRLRegressor, X, y, corruption_rate=0.0, robust_start=0.3)
    (network,), (optimiser,) = networks_of(replay, 1)
    for step, (x, targets, _) in enumerate(replay.batches_):
        optimiser.zero_grad()
        output, errors = network(x[None])[0], network(x[None])[0] - targets
        if step < 0.3 * len(replay.batches_):
            F.huber_loss(output, targets, delta=0.1).backward()
        else:
            errors.square().mean().backward()
        optimiser.step()
    for a, b in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("learner", MAKERS)
def test_one_forward_pass_equals_two_without_dropout_only(learner):
    X, y, *_ = planted()
    parameters = {"corruption_rate": 0.3, "selection": "loss-gradient", **SMALL, **THESIS}

    def predictions(**more):
        return MAKERS[learner](**parameters, **more).fit(X, y)._predictions(X)

    np.testing.assert_allclose(predictions(), predictions(reforward=True), rtol=1e-3, atol=1e-4)
    hidden = {"module__dropout": 0.5, "hidden_layer_sizes": (16, 16)}
    parameters = {**parameters, **hidden}
    assert not np.allclose(predictions(), predictions(reforward=True), rtol=1e-2, atol=1e-2)


LONGER = {"corruption_rate": 0.3, "max_epochs": 60, "lr": 1e-2, "hidden_layer_sizes": (32,)}


def accuracy(**parameters):
    X, y, truth, _ = planted(n=1500, rate=0.3)
    model = PRLClassifier(random_state=0, **LONGER, **parameters).fit(X[:1000], y[:1000])
    return (model.predict(X[1000:]) == truth[1000:]).mean()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"selection": "gradient"},
        {"selection": "loss"},
        {"n_networks": 2},
        {"selection": "loss-gradient", "margin": 0.0},
        {"selection": "loss-gradient", "memory": "average"},
    ],
    ids=str,
)
def test_prl_beats_plain_training_on_flipped_labels(parameters):
    assert accuracy(**parameters) > accuracy(selection=None) + 0.1


def test_the_rows_in_error_are_dropped_and_reported():
    X, y, _, wrong = planted(n=1000, rate=0.3)
    share = KeptShare(wrong)
    settings = {"early_stopping": False, "random_state": 0, **LONGER}
    model = PRLClassifier(callbacks=[share], **settings).fit(X, y)
    assert roc_auc_score(wrong, model.sample_scores_) > 0.9
    shares = model.history_[:, "kept_share"]
    assert shares[0] == pytest.approx(0.3, abs=0.001)  # nothing is dropped at first
    assert shares[-1] < 0.1
    assert model.keep_frequency_[wrong].mean() < 0.3
    assert model.keep_frequency_[~wrong].mean() > 0.8
    assert wrong[~model.inlier_mask_].mean() > 0.75


def regression(kind, rate, seed=0, draw=0, **parameters):
    """R2 on clean rows of a smooth function of five features; ``draw`` seeds the corruption."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(800, 5))
    truth = np.c_[np.sin(X[:, 0]) + X[:, 1], X[:, 2] * X[:, 3]]
    truth = (truth - truth.mean(0)) / truth.std(0)
    y, _ = corrupt_targets(truth[:600], rate, kind=kind, X=X[:600], random_state=draw)
    settings = {"corruption_rate": rate, "max_epochs": 60, "lr": 5e-3, "random_state": 0}
    model = PRLRegressor(hidden_layer_sizes=(64, 64), **{**settings, **parameters})
    return model.fit(X[:600], y).score(X[600:], truth[600:])


@pytest.mark.parametrize("kind", ["linadv", "signflip", "uninoise", "maximum"])
def test_prl_beats_plain_training_on_wrong_targets(kind):
    standard = regression(kind, 0.3, selection=None, robust_start=0.0)
    robust = regression(kind, 0.3)
    assert robust > standard + 0.1 and robust > 0.6


@pytest.mark.parametrize("loss", ["huber", "absolute_error"])
def test_losses_whose_gradients_saturate_tell_the_rows_apart(loss):
    """The norm alone is one number for all rows far off: dropping among them would be chance."""
    X, y, *_ = planted(rate=0.3)
    settings = {"loss": loss, "huber_delta": 0.1, "corruption_rate": 0.3, "max_epochs": 20}
    model = PRLRegressor(random_state=0, **settings).fit(X, y)
    assert len(np.unique(model.sample_scores_)) > 590
    assert regression("uninoise", 0.3, loss=loss) > 0.6


def test_robust_start_escapes_a_wrong_basin():
    """In this draw, plain training learns the attacker's line, and what fits it is kept."""
    basin = {"seed": 4, "draw": 104}
    assert regression("linadv", 0.4, **basin, robust_start=0.0) < 0.5
    assert regression("linadv", 0.4, **basin) > 0.9


def test_a_single_absurd_target_does_no_harm():
    """Scaled by mean and deviation, the others would be indistinguishable."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 3))
    y = X[:, 0].copy()
    y[7] = 1e12
    model = PRLRegressor(corruption_rate=0.05, max_epochs=100, lr=1e-2, random_state=0).fit(X, y)
    assert not model.inlier_mask_[7]
    assert model.score(np.delete(X, 7, 0), np.delete(y, 7)) > 0.9


def test_the_update_is_the_mean_gradient_of_the_rows_within_the_limit():
    """Does not survive weights of kept rows that are not divided by their sum."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 3))
    y = X[:, 0] + rng.standard_t(2, size=40)
    replay = Replay()
    model = PRLRegressor(
        hidden_layer_sizes=(6,),
        selection="gradient",
        corruption_rate=0.1,
        score_limit=1.0,
        robust_start=0.0,
        early_stopping=False,
        warmup=0,
        batch_size=40,
        max_epochs=1,
        lr=0.1,
        optimizer=torch.optim.SGD,
        random_state=0,
        callbacks=[replay],
    ).fit(X, y)
    ((x, targets, _),), (network,) = replay.batches_, networks_of(replay, 1)[0]
    kept = torch.from_numpy(model.keep_frequency_ == 1)
    assert 10 < kept.sum() < keep_count(40, 0.1)  # some lie beyond the limit
    # x are the rows in the order of the batch, the record is in that of the table
    order = [int((x == row).all(dim=1).nonzero()) for row in scaled(model, X)]
    errors = (network(x[None])[0] - targets).square().sum(dim=1)[order]
    errors[kept].mean().backward()
    for own, trained in zip(network.parameters(), model.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(own.detach() - 0.1 * own.grad, trained, rtol=1e-4, atol=1e-6)


def scaled(model, X):
    return torch.from_numpy(model._preprocessor.transform(X))


def test_settings_reach_the_step():
    X, y, *_ = planted(n=60)
    model = PRLRegressor(
        corruption_rate=0.3,
        margin=2.0,
        warmup=0.5,
        memory="average",
        memory_decay=0.5,
        n_networks=3,
        reforward=True,
        score_limit=3.0,
        max_epochs=2,
    ).fit(X, y)
    step = model.net_.step
    assert step.selector.schedule == DropSchedule(0.3, warmup=0.5, margin=2.0)
    assert step.exchange and isinstance(step, ScoredApart) and step.training
    assert (step.memory, step.memory_decay, step.start) == ("average", 0.5, 0.25)
    assert step.selector.score_limit == 3.0 and step.selector.n_recent == 60


def test_score_limit_keeps_gross_errors_out_of_unlucky_batches():
    """A batch with more wrong rows than are dropped would train on the rest of them."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(900, 4))
    y = X[:, 0] + 0.1 * rng.normal(size=900)
    wrong = rng.permutation(900) < 225
    y[wrong] = 60.0
    leaked, error = {}, {}
    for limit in (None, 2.0):
        model = PRLRegressor(
            corruption_rate=0.25,
            score_limit=limit,
            drop_stuck=False,
            early_stopping=False,
            max_epochs=60,
            lr=3e-3,
            batch_size=64,
            random_state=0,
        ).fit(X, y)
        leaked[limit] = model.keep_frequency_[wrong].mean()
        error[limit] = np.abs(model.predict(X) - X[:, 0])[~wrong].mean()
    assert leaked[2.0] < 0.1 * leaked[None]
    assert error[2.0] < 0.3 * error[None]


def test_gross_errors_among_the_held_out_rows_do_not_end_the_training():
    """Of 100 held-out rows more than a fifth are wrong, and their error is all that would count."""
    X, truth = make_friedman1(1300, noise=1.0, random_state=0)
    y = truth[:1000].copy()
    y[:200] = 1000.0
    settings = {"corruption_rate": 0.2, "drop_stuck": False, "random_state": 0}
    model = PRLRegressor(**settings).fit(X[:1000], y)
    held_out = np.isnan(model.keep_frequency_)
    assert held_out.sum() == 100 and held_out[:200].sum() > 20  # an unlucky draw
    assert model.score(X[1000:], truth[1000:]) > 0.85
    assert not model.inlier_mask_[:200].any()


@pytest.mark.parametrize("margin", [0.0, 2.0])
def test_margin_drops_more_but_leaves_the_inlier_mask(margin):
    X, y, *_ = planted()
    settings = {"warmup": 0, "batch_size": 100, "max_epochs": 3, "random_state": 0}
    model = PRLClassifier(
        corruption_rate=0.2, selection="loss-gradient", margin=margin, **settings
    ).fit(X, y)
    expected = 0.2 + margin * np.sqrt(0.16 / 100)
    assert model.keep_frequency_.mean() == pytest.approx(1 - expected, abs=0.011)
    assert model.inlier_mask_.sum() == 480


@pytest.mark.parametrize("mode", ["sum", "average"])
def test_memory_keeps_a_row_that_was_trusted_before(mode):
    """With weights that hardly move, what decides is the same every time; batches change."""
    X, y, *_ = planted()
    frequency = {
        memory: PRLClassifier(
            corruption_rate=0.4,
            memory=memory,
            warmup=0,
            max_epochs=12,
            batch_size=100,
            lr=0.02,
            margin=0.0,
            random_state=0,
        )
        .fit(X, y)
        .keep_frequency_
        for memory in (None, mode)
    }
    undecided = {k: ((v > 0.2) & (v < 0.8)).mean() for k, v in frequency.items()}
    assert undecided[mode] < 0.8 * undecided[None]


def test_scores_of_the_last_epoch_are_recorded_in_the_order_of_the_rows():
    X, y, *_ = planted()
    for make, loss in [(PRLClassifier, crossentropy), (PRLRegressor, None)]:
        model = make(selection="loss-gradient", hidden_layer_sizes=(64,), lr=1e-12, max_epochs=1)
        model.set_params(random_state=0).fit(X, y)
        x = torch.from_numpy(model._preprocessor.transform(X))
        with torch.no_grad():
            output = model.net_.module_(x[None])[0]
        if loss is None:
            targets = torch.from_numpy(model._scaler.transform(y[:, None]))
            expected = 2 * (output - targets).norm(dim=1)
        else:
            expected = (output.softmax(1) - F.one_hot(torch.from_numpy(y))).norm(dim=1)
        np.testing.assert_allclose(model.sample_scores_, expected, rtol=1e-4, atol=1e-6)


def test_huber_delta_is_the_loss_that_is_minimised():
    X, y, *_ = planted()
    model = PRLRegressor(
        loss="huber",
        huber_delta=0.7,
        corruption_rate=0.0,
        robust_start=0.0,
        max_epochs=1,
        batch_size=600,
        lr=1e-12,
        random_state=0,
    ).fit(X, y)
    x = torch.from_numpy(model._preprocessor.transform(X))
    targets = torch.from_numpy(model._scaler.transform(y[:, None]))
    with torch.no_grad():
        expected = huber(model.net_.module_(x[None]), targets, 0.7).mean()
    assert model.history_[-1, "train_loss"] == pytest.approx(expected.item(), rel=1e-4)
