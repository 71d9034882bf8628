"""Models of the commands: which columns explain a row, and how long they train."""

import numpy as np
import pytest

from skrobust import RCADetector
from skrobust.cli._model import column_shares, load_model
from skrobust.cli._training import plan_epochs


@pytest.mark.parametrize("trained_by_each", ["rca", "realnvp"], indirect=True)
def test_feature_scores_sum_to_the_score(trained_by_each, table):
    model = load_model(trained_by_each.model)
    X = model.encoder.transform(table[model.encoder.feature_names_in_])
    errors = model.detector.feature_scores(X)
    scores = model.detector.decision_function(X)
    np.testing.assert_allclose(errors.sum(axis=1), scores, rtol=1e-4)


def test_shares_are_of_columns_and_sum_to_one(trained, table):
    model = load_model(trained.model)
    rows = table[model.encoder.feature_names_in_].iloc[trained.planted]
    shares = column_shares(model, rows)
    assert shares.shape == (3, len(model.columns))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    names = [column.name for column in model.columns]
    assert (shares.argmax(axis=1) == names.index("pressure")).all()


@pytest.mark.parametrize(
    "n_rows, wanted, expected",
    [
        (300, None, {"min_steps": 500}),
        (100_000, None, {"max_epochs": 25}),
        (10_000_000, None, {"max_epochs": 5}),
        (100_000, 60, {"max_epochs": 60}),
    ],
)
def test_training_length(n_rows, wanted, expected, monkeypatch):
    monkeypatch.setattr(RCADetector, "usual_epochs", 200)
    assert plan_epochs(n_rows, RCADetector(min_steps=None), wanted) == expected


def test_training_length_of_a_detector_that_counts_steps():
    for n_rows in (300, 100_000, 10_000_000):
        assert plan_epochs(n_rows, RCADetector(), None) == {"min_steps": "auto"}
