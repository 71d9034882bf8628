"""RCA's scoring ensemble: what few chosen passes and relative errors are worth."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

import skrobust.io
from skrobust import RCADetector
from skrobust._device import contained_seeding
from skrobust.detectors._ensemble import choose_passes, relative_errors, typical_errors

SHORT = {
    "hidden_layer_sizes": (64, 64),
    "latent_dim": 6,
    "max_epochs": 20,
    "lr": 3e-3,
    "random_state": 0,
}


def table(seed, n=400, n_features=12):
    """Rows near a three-dimensional subspace, whose basis is always the same."""
    basis = np.random.RandomState(99).normal(size=(3, n_features))
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, 3)) @ basis + 0.3 * rng.normal(size=(n, n_features))


def pass_errors(detector, X, n):
    """Errors (n, 2, n_rows) of newly drawn sub-networks."""
    module, x = detector.net_.module_, torch.from_numpy(detector._preprocessor.transform(X))
    with contained_seeding(1), torch.no_grad():
        outputs = [
            module.run_sub_networks(module.sub_networks(one), x) for one in module.draw_passes(n)
        ]
    return torch.stack([(output - x).square().sum(-1) for output in outputs])


def test_one_pass_after_the_other_is_the_best_there_is():
    """Against the definition, written out."""
    rng = np.random.RandomState(0)
    errors = rng.gamma(2.0, size=(30, 2, 50))
    typical = errors.mean(0)
    scale = typical.mean(0) + 0.1 * typical.mean()
    expected, total = [[], []], np.zeros(50)
    for _ in range(5):
        for k in range(2):
            left = [i for i in range(30) if i not in expected[k]]
            sums = [total + (errors[i, k] - typical[k]) / scale for i in left]
            best = int(np.argmin([(one**2).sum() for one in sums]))
            expected[k].append(left[best])
            total = sums[best]
    chosen = choose_passes(torch.from_numpy(errors), 5)
    assert chosen.T.tolist() == expected


def test_chosen_passes_rank_new_rows_as_many_random_ones_do():
    detector = RCADetector(scoring="sum", n_passes=8, n_draws=256, **SHORT).fit(table(0))
    X_new = table(1)
    many = pass_errors(detector, X_new, 500).mean((0, 1))
    few = pass_errors(detector, X_new, 8 * 20).view(20, 8, 2, -1).mean((1, 2))
    random = np.mean([spearmanr(one, many)[0] for one in few])
    chosen = spearmanr(detector.decision_function(X_new), many)[0]
    assert 1 - chosen < 0.5 * (1 - random)


@pytest.mark.parametrize("base", ["autoencoder", "vae"])
def test_nothing_is_chosen_where_no_more_are_drawn(base):
    X = table(0, n=60)
    settings = {**SHORT, "max_epochs": 1, "n_passes": 4, "base": base}
    plain, few = (RCADetector(n_draws=n, **settings).fit(X) for n in (None, 3))
    chosen = RCADetector(n_draws=20, **settings).fit(X)
    assert torch.equal(plain._passes, few._passes)
    assert plain._passes.shape == chosen._passes.shape
    assert not torch.equal(plain._passes, chosen._passes)


@pytest.mark.parametrize("loss", ["squared_error", "binary_crossentropy"])
def test_relative_scores_by_hand(loss):
    X, X_new = table(0), table(1)
    X_new[0, 3] = 1e6
    relative, plain = (
        RCADetector(scoring=scoring, loss=loss, **SHORT).fit(X) for scoring in ("relative", "sum")
    )
    medians = np.median(plain.feature_scores(X), axis=0)  # over all rows, as these are few
    units = plain.feature_scores(X_new) / (medians + 0.3 * medians.mean())
    expected = 10 * np.log(1 + units / 10)
    np.testing.assert_allclose(relative.feature_scores(X_new), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(relative.decision_function(X_new), expected.sum(1), rtol=1e-6)
    assert relative.decision_function(X_new).argmax() == 0


def test_relative_errors_are_the_units_where_small_and_grow_slowly_where_large():
    typical = typical_errors(np.array([[1.0, 0.0], [1.0, 0.0], [50.0, 0.0]]))
    np.testing.assert_allclose(typical, [1.15, 0.15])
    units = np.array([[0.01], [10.0], [1e10]])
    found = relative_errors(units * 2.0, np.array([2.0]))[:, 0]
    np.testing.assert_allclose(found, [0.01, 10 * np.log(2), 10 * np.log(1e9)], rtol=1e-3)


def test_columns_that_are_hard_to_reconstruct_do_not_drown_the_others():
    """Anomalies break a relation of four columns, beside four of uniform noise."""
    rng = np.random.RandomState(0)
    y = np.arange(400) >= 380

    def draw():
        X = rng.normal(size=(400, 1)) @ np.ones((1, 4)) + 0.1 * rng.normal(size=(400, 4))
        X[y, 0] += 1.5
        return np.c_[X, rng.uniform(size=(400, 4))]

    X, X_new = draw(), draw()
    settings = {**SHORT, "latent_dim": 1, "dropout": 0.0, "n_passes": 0, "max_epochs": 60}
    relative, plain = (
        roc_auc_score(y, RCADetector(0.05, scoring=s, **settings).fit(X).decision_function(X_new))
        for s in ("relative", "sum")
    )
    assert relative > plain + 0.1


def test_a_loss_that_is_a_function_is_added_as_it_is():
    def loss(output, target):
        return (output - target).abs().sum(-1)

    X = table(0, n=60)
    settings = {**SHORT, "loss": loss, "max_epochs": 2}
    relative, plain = (RCADetector(scoring=s, **settings).fit(X) for s in ("relative", "sum"))
    np.testing.assert_array_equal(relative.decision_scores_, plain.decision_scores_)


def test_blocks_of_rows_are_scored_as_whole_tables(monkeypatch):
    X = table(0, n=700)
    detector = RCADetector(**{**SHORT, "max_epochs": 2}).fit(X)
    whole = detector.decision_function(X), detector.feature_scores(X)
    monkeypatch.setattr("skrobust.detectors._rca._BLOCK_ROWS", 256)
    np.testing.assert_array_equal(detector.decision_function(X), whole[0])
    np.testing.assert_array_equal(detector.feature_scores(X), whole[1])


def test_models_of_versions_without_these_parameters_score_as_they_did(tmp_path):
    """A file or pickle of such a version has neither the parameters nor typical errors."""
    X = table(0, n=60)
    detector = RCADetector(n_draws=None, scoring="sum", n_passes=3, **SHORT).fit(X)
    scores = detector.decision_function(X)
    for name in ("n_draws", "scoring", "_typical"):
        del vars(detector)[name]
    np.testing.assert_array_equal(detector.decision_function(X), scores)
    detector.get_params()
    skrobust.io.save(detector, tmp_path / "model")
    np.testing.assert_array_equal(skrobust.io.load(tmp_path / "model").decision_function(X), scores)
