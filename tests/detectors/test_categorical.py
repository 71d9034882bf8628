"""Mixed tables in the ensemble: columns of text, levels, truth values and dates."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skrobust import RobustEnsembleDetector
from skrobust.tables import TableEncoder

SIMPLE = ("gaussian", "marginal", "neighbors")


def mixed(kind, n=600, n_bad=12, seed=0):
    """Towns with a plug and a load of their own; which rows are odd."""
    rng = np.random.RandomState(seed)
    town = rng.choice(["Lima", "Oslo", "Rome"], n)
    plug = pd.Series(town).map({"Lima": "A", "Oslo": "F", "Rome": "L"}).to_numpy(object)
    load = rng.normal(10, 1, n)
    bad = np.zeros(n, dtype=bool)
    bad[rng.choice(n, n_bad, replace=False)] = True
    if kind == "combination":
        plug[bad] = pd.Series(town[bad]).map({"Lima": "F", "Oslo": "L", "Rome": "A"})
    else:
        load[bad] += 8
    table = pd.DataFrame({"town": town, "load": load, "plug": pd.Categorical(plug)})
    table["on"] = rng.rand(n) < 0.5
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.randint(0, 365, n), unit="D")
    return table, bad


def fitted(table, categorical="from_dtype", **settings):
    settings = {"members": SIMPLE, "random_state": 0, **settings}
    return RobustEnsembleDetector(0.05, categorical_features=categorical, **settings).fit(table)


@pytest.mark.parametrize("kind", ["combination", "number"])
@pytest.mark.parametrize("seed", [0, 1])
def test_odd_rows_are_found_and_explained(kind, seed):
    table, bad = mixed(kind, seed=seed)
    detector = fitted(table)
    assert roc_auc_score(bad, detector.decision_scores_) > 0.95
    np.testing.assert_allclose(detector.decision_scores_, detector.decision_function(table))
    parts = detector.feature_scores(table)
    assert parts.shape == table.shape
    blamed = parts[bad].mean(axis=0) - parts[~bad].mean(axis=0)
    expected = {"combination": ("town", "plug"), "number": ("load",)}[kind]
    assert table.columns[blamed.argmax()] in expected
    assert detector.n_features_in_ == 5 and isinstance(detector.encoder_, TableEncoder)
    assert list(detector.feature_names_in_) == list(table.columns)


def test_levels_that_training_has_not_seen_stand_out():
    table, _ = mixed("number")
    detector, new = fitted(table), table.copy()
    new["town"] = "Bern"
    assert np.median(detector.decision_function(new)) > detector.threshold_


def codes(n=600, seed=0):
    """A column of codes 0, 5 and 10, and one number."""
    rng = np.random.RandomState(seed)
    return pd.DataFrame({"code": rng.choice([0, 5, 10], n), "x": rng.normal(size=n)})


@pytest.mark.parametrize("categorical", [["code"], [0], [True, False], np.array(["code"])])
def test_numbers_may_be_levels(categorical):
    table = codes()
    detector = fitted(table, categorical)
    assert [column.kind for column in detector.encoder_.columns_] == ["categorical", "numeric"]
    assert [column.kind for column in fitted(table).encoder_.columns_] == ["numeric", "numeric"]
    between, usual = table.assign(code=6), table.assign(code=5)
    higher = detector.decision_function(between) > detector.decision_function(usual)
    assert higher.mean() > 0.9
    as_float = detector.decision_function(table.astype({"code": float}))
    np.testing.assert_array_equal(as_float, detector.decision_function(table))


def test_arrays_have_places():
    X = codes().to_numpy()
    detector = fitted(X, [0])
    assert detector.n_features_in_ == 2 and not hasattr(detector, "feature_names_in_")
    np.testing.assert_allclose(detector.decision_function(X), detector.decision_scores_)
    with pytest.raises(ValueError, match="features"):
        detector.decision_function(X[:, :1])


def test_missing_cells():
    table, _ = mixed("number")
    table.loc[3, "town"] = None
    with pytest.raises(ValueError, match=r"NaN \(1 cells in 1 rows\)"):
        fitted(table)
    detector = fitted(table, missing="mean")
    assert np.isfinite(detector.decision_scores_).all()
    with pytest.raises(ValueError, match="NaN"):
        fitted(table.drop(index=3)).decision_function(table)


def test_known_rows_go_together_with_levels():
    table, bad = mixed("combination")
    known = np.where(bad & (np.cumsum(bad) <= 5), 1, -1)
    settings = {"categorical_features": "from_dtype", "random_state": 0}
    detector = RobustEnsembleDetector(0.02, members=SIMPLE, **settings).fit(table, known=known)
    assert (detector.labels_[known == 1] == 1).all()
    assert roc_auc_score(bad[known < 1], detector.decision_scores_[known < 1]) > 0.95


def test_the_encoder_goes_with_the_next_fit():
    detector = fitted(codes(), ["code"])
    detector.set_params(categorical_features=None).fit(codes())
    assert not hasattr(detector, "encoder_")
    with pytest.raises(ValueError, match="town"):
        detector.fit(mixed("number")[0])


@pytest.mark.parametrize(
    "categorical", [["cod"], [2], [-1], [True], [[0]], "levels", [1.5]], ids=str
)
def test_bad_categorical_features(categorical):
    with pytest.raises(ValueError, match="categorical_features"):
        fitted(codes(), categorical)
