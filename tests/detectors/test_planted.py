"""Planted anomalies: the claims of chapter 2, each of which a broken detector would miss."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from skrobust import RCADetector
from skrobust.networks import Autoencoder
from skrobust.selection import DropSchedule, Progress, exchange, keep_count
from skrobust.training import KeptShare, _step

SMALL = {
    "contamination": 0.1,
    "margin": 0.0,
    "hidden_layer_sizes": (32,),
    "latent_dim": 4,
    "dropout": 0.1,
    "lr": 3e-3,
    "max_epochs": 60,
    "n_passes": 10,
    "n_draws": None,
    "scoring": "sum",
}
PLAIN = {"n_networks": 1, "select": False, "n_passes": 0}


def planted(seed, n=600, n_features=20):
    """Normal rows near a 3-D subspace; anomalies far out on one line, easy to learn."""
    rng = np.random.RandomState(seed)
    basis, line = 0.5 * rng.normal(size=(3, n_features)), rng.normal(size=n_features)
    line /= np.linalg.norm(line)
    y = np.arange(n) >= 0.9 * n

    def sample():
        X = rng.normal(size=(n, 3)) @ basis
        X[y] = (rng.choice([-1, 1], y.sum()) * rng.uniform(4, 8, y.sum()))[:, None] * line
        return X + 0.3 * rng.normal(size=X.shape)

    return sample(), sample(), y


def auc(parameters, seed):
    X, X_new, y = planted(seed)
    detector = RCADetector(random_state=seed, **{**SMALL, **parameters}).fit(X)
    return roc_auc_score(y, detector.decision_function(X_new))


def mean_auc(**parameters):
    return np.mean([auc(parameters, seed) for seed in range(3)])


def test_rca_beats_its_plain_autoencoder_by_a_tenth():
    """Fails when selection is switched off: RCA-SS reaches .82 here, the plain one .75."""
    rca = mean_auc()
    assert rca >= 0.97
    assert rca >= mean_auc(**PLAIN) + 0.1
    assert rca >= mean_auc(select=False) + 0.1


@pytest.mark.parametrize(
    "variant", [{"n_networks": 3}, {"n_passes": 0}, {"schedule": "official"}, {"margin": 1.0}]
)
def test_variants_resist_the_planted_anomalies(variant):
    assert mean_auc(**variant) >= 0.95


def test_variational_base_drops_the_anomalies():
    X, _, y = planted(0)
    detector = RCADetector(base="vae", random_state=0, **SMALL).fit(X)
    assert detector.keep_frequency_[y].mean() < 0.75
    assert detector.keep_frequency_[~y].mean() > 0.9
    assert roc_auc_score(y, detector.sample_scores_) > 0.8


def test_training_learns_to_ignore_the_anomalies():
    X, _, y = planted(0)
    share = KeptShare(y)
    detector = RCADetector(random_state=0, callbacks=[share], **SMALL).fit(X)
    shares = detector.history_[:, "kept_share"]
    assert shares[0] == pytest.approx(0.1, abs=0.001)  # nothing is dropped at first
    assert shares[-1] < 0.03
    assert detector.keep_frequency_[y].mean() < 0.3
    assert detector.keep_frequency_[~y].mean() > 0.9
    assert roc_auc_score(y, detector.sample_scores_) > 0.95


class Replay(Callback):
    """Keeps what the reference needs: first weights, batches, and their drop rates."""

    def on_train_begin(self, net, **kwargs):
        self.first_ = {k: v.clone() for k, v in net.module_.state_dict().items()}
        self.batches_ = []

    def on_batch_begin(self, net, batch, **kwargs):
        self.batches_.append((batch[0].clone(), net.state_.progress))


def write_out_algorithm_1(first_weights, batches, n_features, rate, lr):
    """Algorithm 1 with two separate autoencoders and optimisers, on recorded batches."""
    sizes = {"hidden_layer_sizes": (32,), "latent_dim": 4, "dropout": 0.0}
    networks = [Autoencoder(n_features, **sizes) for _ in range(2)]
    for k, network in enumerate(networks):
        network.load_state_dict({name: w[k : k + 1] for name, w in first_weights.items()})
    optimisers = [torch.optim.Adam(network.parameters(), lr=lr) for network in networks]
    differ = 0
    for x, progress in batches:
        beta = max(1 - rate * progress.epoch / (0.5 * progress.n_epochs), 1 - rate)
        with torch.no_grad():
            errors = [(network(x[None])[0] - x).square().sum(1) for network in networks]
        kept = [error.argsort()[: keep_count(len(x), 1 - beta)] for error in errors]
        differ += set(kept[0].tolist()) != set(kept[1].tolist())
        for k, (network, optimiser) in enumerate(zip(networks, optimisers, strict=True)):
            given = x[kept[1 - k]]
            optimiser.zero_grad()
            (network(given[None])[0] - given).square().sum(1).mean().backward()
            optimiser.step()
    return networks, differ


def test_fit_equals_algorithm_1_written_out():
    """Fails when selection or exchange is switched off, or the schedule is another."""
    X, X_new, _ = planted(1)
    settings = {**SMALL, "dropout": 0.0, "n_passes": 0, "max_epochs": 12}
    replay = Replay()
    detector = RCADetector(random_state=0, callbacks=[replay], **settings).fit(X)
    networks, differ = write_out_algorithm_1(replay.first_, replay.batches_, 20, 0.1, 3e-3)
    assert differ > 10
    x = torch.from_numpy(detector._preprocessor.transform(X_new))
    with torch.no_grad():
        errors = [(net.eval()(x[None])[0] - x).square().sum(1) for net in networks]
    expected = torch.stack(errors).mean(0).numpy()
    np.testing.assert_allclose(detector.decision_function(X_new), expected, rtol=2e-3)


def test_drop_rate_in_fit_follows_the_schedule_parameter():
    X, _, _ = planted(0)
    for schedule, kind in (("thesis", "linear"), ("official", "official")):
        detector = RCADetector(schedule=schedule, random_state=0, **{**SMALL, "max_epochs": 2})
        step = detector.fit(X).net_.step
        assert step.selector.schedule == DropSchedule(0.1, warmup=0.5, kind=kind)
        assert step.exchange
    assert step.selector.schedule.drop_rate(Progress(1, 2, 5, 10), 128) == 0.1


@pytest.mark.parametrize("margin", [0.0, 2.0])
def test_margin_drops_more_but_leaves_threshold_and_labels(margin):
    X, _, _ = planted(0)
    parameters = {**SMALL, "margin": margin, "max_epochs": 10, "warmup": 0}
    detector = RCADetector(random_state=0, **parameters).fit(X)
    expected = 0.1 + margin * np.sqrt(0.09 / 128)
    assert detector.keep_frequency_.mean() == pytest.approx(1 - expected, abs=0.01)
    assert detector.labels_.sum() == 60


def test_shared_masks_equal_the_per_row_ensemble_in_distribution():
    """Mean and spread of a row's score over passes agree with ordinary dropout's."""
    X, _, _ = planted(0)
    X = X[::20]
    detector = RCADetector(random_state=0, **{**SMALL, "dropout": 0.3, "max_epochs": 20}).fit(X)
    module, x = detector.net_.module_, torch.from_numpy(detector._preprocessor.transform(X))
    torch.manual_seed(0)
    n = 4000
    shared = torch.empty(n, len(x))
    with torch.no_grad():
        for i, units in enumerate(module.draw_passes(n)):
            output = module.run_sub_networks(module.sub_networks(units), x)[0]
            shared[i] = (output - x).square().sum(1)
        module.train()
        repeated = x.repeat(n, 1).expand(2, -1, -1)
        per_row = (module(repeated)[0] - repeated[0]).square().sum(1).view(n, len(x))
    standard_error = (shared.var(0) / n + per_row.var(0) / n).sqrt()
    assert ((shared.mean(0) - per_row.mean(0)).abs() / standard_error).max() < 4.5
    np.testing.assert_allclose(shared.std(0), per_row.std(0), rtol=0.15)
    for q in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(shared.quantile(q, 0), per_row.quantile(q, 0), rtol=0.1)


def test_more_passes_settle_the_ranking():
    X, X_new, _ = planted(0)
    few, many, more = (
        RCADetector(random_state=0, **{**SMALL, "n_passes": n, "dropout": 0.5, "max_epochs": 10})
        .fit(X)
        .decision_function(X_new)
        for n in (2, 200, 400)
    )
    assert spearmanr(many, more)[0] > 0.99
    assert spearmanr(few, more)[0] < spearmanr(many, more)[0]


def test_score_does_not_depend_on_the_rows_beside_it():
    X, X_new, _ = planted(0)
    detector = RCADetector(random_state=0, **{**SMALL, "max_epochs": 5}).fit(X)
    scores = detector.decision_function(X_new)
    changed = X_new.copy()
    changed[1::2] += 100.0
    np.testing.assert_array_equal(detector.decision_function(changed)[::2], scores[::2])
    np.testing.assert_allclose(detector.decision_function(X_new[37:41]), scores[37:41], rtol=1e-7)


def test_selection_scores_with_dropout_off():
    """Algorithm 1 ranks without dropout; with it on, no row would be ranked twice the same."""
    X, _, _ = planted(0)
    parameters = {**SMALL, "dropout": 0.5, "lr": 1e-12, "max_epochs": 2}
    detector = RCADetector(random_state=0, **parameters).fit(X)
    x = torch.from_numpy(detector._preprocessor.transform(X))
    np.testing.assert_allclose(detector.sample_scores_, detector.net_.score_rows(x), rtol=1e-4)


def test_three_networks_never_train_on_their_own_selection(monkeypatch):
    X, _, _ = planted(0)
    pairs = []

    def spy(selection, permutation):
        given = exchange(selection, permutation)
        pairs.append((selection.rows, given.rows))
        return given

    monkeypatch.setattr(_step, "exchange", spy)
    parameters = {**SMALL, "max_epochs": 6, "warmup": 0}
    RCADetector(n_networks=3, random_state=0, **parameters).fit(X)
    partners = set()
    for own, given in pairs:
        source = [[torch.equal(rows, other) for other in own] for rows in given]
        assert all(any(row) for row in source)
        if not any(torch.equal(own[i], own[j]) for i, j in [(0, 1), (0, 2), (1, 2)]):
            assert not any(source[k][k] for k in range(3))
            partners.add(tuple(row.index(True) for row in source))
    assert partners == {(1, 2, 0), (2, 0, 1)}  # both derangements are drawn


def test_cross_entropy_scores_by_hand():
    X, X_new, _ = planted(0)
    parameters = {**SMALL, "n_passes": 0, "max_epochs": 3}
    detector = RCADetector(loss="binary_crossentropy", random_state=0, **parameters).fit(X)
    x = torch.from_numpy(detector._preprocessor.transform(X_new)).clamp(0, 1).double()
    module = detector.net_.module_
    raw = torch.from_numpy(detector._preprocessor.transform(X_new))
    p = torch.sigmoid(module.run_sub_networks(module.sub_networks(), raw)).double()
    expected = sum(-(x * q.log() + (1 - x) * (1 - q).log()).sum(1) for q in p) / 2
    expected += (torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x) + (raw - x).square()).sum(1)
    np.testing.assert_allclose(detector.decision_function(X_new), expected, rtol=1e-4)


def test_variational_selection_scores_are_the_negative_lower_bound():
    X, _, _ = planted(0)
    parameters = {**SMALL, "lr": 1e-12, "max_epochs": 1}
    detector = RCADetector(base="vae", random_state=0, **parameters).fit(X)
    module, x = detector.net_.module_, torch.from_numpy(detector._preprocessor.transform(X))
    with torch.no_grad():
        reconstruction, mean, log_variance = module.eval()(x.expand(2, -1, -1))
    code = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(code, torch.distributions.Normal(0.0, 1.0))
    expected = (reconstruction - x).square().sum(-1) + divergence.sum(-1)
    np.testing.assert_allclose(detector.sample_scores_, expected.mean(0), rtol=1e-4)


def test_every_pass_of_the_ensemble_is_used():
    X, X_new, _ = planted(0)
    detector = RCADetector(random_state=0, **{**SMALL, "n_passes": 7, "max_epochs": 3}).fit(X)
    module, x = detector.net_.module_, torch.from_numpy(detector._preprocessor.transform(X_new))
    assert len(detector._passes) == 7
    draws = [module.run_sub_networks(module.sub_networks(units), x) for units in detector._passes]
    expected = sum((output - x).square().sum(1) for both in draws for output in both) / 14
    np.testing.assert_allclose(detector.decision_function(X_new), expected, rtol=1e-5)


def test_contamination_zero_equals_a_plain_loop_to_the_bit():
    """One network, no dropout: ordinary training on the same batches, written out."""
    X, _, _ = planted(0)
    replay = Replay()
    parameters = {**SMALL, "contamination": 0.0, "dropout": 0.0, "n_networks": 1, "max_epochs": 4}
    detector = RCADetector(random_state=0, callbacks=[replay], **parameters).fit(X)
    network = Autoencoder(20, hidden_layer_sizes=(32,), latent_dim=4, dropout=0.0)
    network.load_state_dict(replay.first_)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3, fused=True)
    for x, _ in replay.batches_:
        optimiser.zero_grad()
        (network(x[None]) - x).square().sum(-1).mean().backward()
        optimiser.step()
    for a, b in zip(network.parameters(), detector.net_.module_.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("loss", ["squared_error", "binary_crossentropy"])
def test_feature_scores_add_up_and_point_at_the_planted_feature(loss):
    X, X_new, y = planted(0)
    X_new = X_new[~y]
    X_new[:20, 7] += 6.0
    detector = RCADetector(loss=loss, random_state=0, **SMALL).fit(X)
    errors = detector.feature_scores(X_new)
    assert errors.shape == X_new.shape
    np.testing.assert_allclose(errors.sum(axis=1), detector.decision_function(X_new), rtol=1e-5)
    if loss == "squared_error":  # the other clips what lies outside the training range
        excess = errors[:20] - errors[20:].mean(axis=0)
        assert (excess.argmax(axis=1) == 7).mean() > 0.9


@pytest.mark.parametrize(
    ("n_rows", "n_epochs"), [(20, 200), (640, 200), (1280, 100), (5000, 25), (100_000, 5)]
)
def test_default_length_of_the_training(n_rows, n_epochs):
    """A thousand steps, in 5 to 200 epochs."""
    length = RCADetector()._length(n_rows)
    steps = -(-n_rows // 128)
    assert max(length["max_epochs"], -(-length["min_steps"] // steps)) == n_epochs
    assert length["max_steps"] is None
