"""Weights of classes: they weigh the update and the held-out loss, and rank nothing."""

import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score
from sklearn.utils.estimator_checks import check_class_weight_classifiers
from torch.nn import functional as F

from skrobust import PRLClassifier
from skrobust.io import load, save

RNG = np.random.RandomState(0)
Y = (RNG.uniform(size=900) < 0.12).astype(int)
X = RNG.normal(size=(900, 4)) + Y[:, None]
NAMES = np.array(["common", "rare"])[Y]
SMALL = {"corruption_rate": 0.1, "hidden_layer_sizes": (16,), "random_state": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_networks": 2},
        {"reforward": True},
        {"selection": "gradient", "corruption_rate": 0.02},
        {"selection": None},
        {"selection": "prior-adjusted"},
        {"early_stopping": True},
    ],
    ids=lambda settings: next(iter(settings.items()), ("default", ""))[0],
)
def test_a_weight_raises_the_recall(settings):
    recalls = []
    for weight in (None, {"common": 1.0, "rare": 8.0}, "balanced"):
        model = PRLClassifier(class_weight=weight, max_epochs=40, **{**SMALL, **settings})
        predicted = model.fit(X, NAMES).predict(X)
        recalls.append(recall_score(NAMES, predicted, pos_label="rare"))
    assert min(recalls[1:]) > recalls[0] + 0.1


def test_one_step_by_hand():
    """Of one batch without selection: the update is that of torch's weighted cross-entropy."""
    settings = {"selection": None, "max_epochs": 1, "batch_size": 900, "early_stopping": False}
    plain = {**SMALL, **settings, "optimizer": torch.optim.SGD, "preprocessing": None}
    frozen = PRLClassifier(**{**plain, "lr": 1e-12}).fit(X, Y).net_.module_
    moved = PRLClassifier(class_weight={0: 1.0, 1: 5.0}, **{**plain, "lr": 0.5}).fit(X, Y)
    frozen.zero_grad()
    rows = torch.as_tensor(X, dtype=torch.float32).expand(1, *X.shape)
    loss = F.cross_entropy(frozen(rows)[0], torch.as_tensor(Y), weight=torch.tensor([1.0, 5.0]))
    loss.backward()
    for before, after in zip(frozen.parameters(), moved.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(after, before - 0.5 * before.grad, rtol=1e-4, atol=1e-6)


def test_weights_do_not_rank():
    settings = {"selection": "loss-gradient", "max_epochs": 1, "batch_size": 900, "warmup": 0}
    settings = {**SMALL, **settings, "early_stopping": False}
    kept = [
        PRLClassifier(class_weight=weight, **settings).fit(X, Y).keep_frequency_
        for weight in (None, {0: 1.0, 1: 100.0})
    ]
    np.testing.assert_array_equal(*kept)


def test_the_rate_is_estimated_without_weights():
    settings = {**SMALL, "corruption_rate": "auto", "max_epochs": 40, "lr": 0.01}
    rates = [
        PRLClassifier(torch.nn.Linear, class_weight=weight, **settings).fit(X, Y).corruption_rate_
        for weight in (None, {0: 1.0, 1: 50.0})
    ]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("weight", [{0: -1.0, 1: 1.0}, {0: 0.0, 1: 0.0}, {0: np.nan, 1: 1.0}])
def test_weights_that_are_refused(weight):
    model = PRLClassifier(class_weight=weight, **SMALL)
    with pytest.raises(ValueError, match="class_weight must give weights from 0 up, not all 0"):
        model.fit(X, Y)
    with pytest.raises(ValueError, match="'class_weight' parameter"):
        model.set_params(class_weight="heavy").fit(X, Y)


def test_contract(tmp_path):
    short = {"corruption_rate": 0.2, "max_epochs": 30, "hidden_layer_sizes": (64,), "lr": 1e-2}
    check_class_weight_classifiers("PRLClassifier", PRLClassifier(**short))
    model = PRLClassifier(class_weight="balanced", max_epochs=2, **SMALL).fit(X, NAMES)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.class_weight == "balanced"
