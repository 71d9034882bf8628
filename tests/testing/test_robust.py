"""Relations that every estimator keeps, and each one broken once by a fault put back."""

import numpy as np
import pytest
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)
from skrobust.testing import RELATIONS, check_robust_estimator
from tests.testing import random_tables
from tests.testing.faulty import Faulty, RoundedTargets
from tests.testing.random_tables import fault

RCA = {"n_passes": 5, "max_epochs": 40, "latent_dim": 2, "dropout": 0.1, "lr": 3e-3}
SMALL = {"hidden_layer_sizes": (32,)}
LEARNER = {"corruption_rate": 0.1, "max_epochs": 40, **SMALL}
ESTIMATORS = {
    "RCA": RCADetector(**RCA, **SMALL),
    "RCA standardised": RCADetector(preprocessing="standard", **RCA, **SMALL),
    "RCVA": RCADetector(base="vae", preprocessing="standard", **RCA, **SMALL),
    "RCA cross-entropy": RCADetector(loss="binary_crossentropy", **RCA, **SMALL),
    "RealNVP": RobustRealNVPDetector(lr=1e-2, max_steps=60, n_couplings=4, **SMALL),
    "adapter": OutlierDetectorAdapter(RCADetector(**RCA, **SMALL)),
    "PRL": PRLClassifier(**LEARNER),
    "PRL(G) minmax": PRLClassifier(
        selection="gradient", preprocessing="minmax", lr=5e-3, **{**LEARNER, "max_epochs": 60}
    ),
    "Co-PRL": PRLClassifier(n_networks=2, **LEARNER),
    "plain network": PRLClassifier(selection=None, max_epochs=20, **SMALL),
    "regressor": PRLRegressor(lr=3e-3, **{**LEARNER, "max_epochs": 60}),
    "regressor Huber": PRLRegressor(loss="huber", lr=3e-3, **{**LEARNER, "max_epochs": 60}),
    "backdoor": BackdoorRobustClassifier(noisy_label="prl", **LEARNER),
    "fine-pruning": FinePruningClassifier(max_epochs=40, **SMALL),
    "semi-supervised": SemiSupervisedBackdoorClassifier(pretrain_epochs=20, **LEARNER),
    "filter": RobustFilter(PRLClassifier(**LEARNER)),
    "spectral": SpectralSignatureFilter(
        PRLClassifier(selection=None, max_epochs=40, **SMALL), corruption_rate=0.1
    ),
}


@pytest.mark.filterwarnings("ignore:no clean rows were given")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_relations_are_kept(name):
    results = check_robust_estimator(ESTIMATORS[name])
    kinds = {"label_names", "affine_targets", "far_score", "chunks"}
    assert {result.relation for result in results} >= RELATIONS.keys() - kinds
    assert all(result.kept and result.message == "" for result in results)


FAULTY = {
    **{name: Faulty(name) for name in ("units", "row_order", "column_order", "label_names")},
    "affine_targets": RoundedTargets(),
    "duplicated": KNN(n_neighbors=5),
    "gross_cell": make_pipeline(MinMaxScaler(), KNeighborsClassifier(15)),
    "far_row": make_pipeline(StandardScaler(), LogisticRegression()),
    **{name: Faulty(name) for name in ("float32", "constant_column")},
    "far_score": IsolationForest(),
    **{name: Faulty(name) for name in ("threads", "processes", "chunks")},
}


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_fault_breaks_its_relation(relation, monkeypatch):
    monkeypatch.setattr(Faulty, "is_sound", False)
    estimator = FAULTY[relation]
    (result,) = check_robust_estimator(estimator, relations=[relation], on_fail=None)
    assert not result.kept and result.difference > result.tolerance
    assert relation in result.message
    with pytest.raises(AssertionError, match=f"does not keep 1 relations: {relation}"):
        check_robust_estimator(estimator, relations=[relation])
    with pytest.warns(UserWarning, match=relation) as caught:
        check_robust_estimator(estimator, relations=[relation], on_fail="warn")
    assert caught[-1].filename == __file__


def test_without_a_fault_they_are_kept():
    """What breaks in the test above is the fault, not the forest."""
    results = check_robust_estimator(Faulty("none"))
    assert all(result.kept for result in results)
    assert {"far_score", "affine_targets"}.isdisjoint(result.relation for result in results)


def test_an_error_in_a_changed_fit_is_a_relation_that_is_not_kept():
    class Picky(LogisticRegression):
        def fit(self, X, y):
            if X.shape[1] > 5:
                raise RuntimeError("too wide")
            return super().fit(X, y)

    (result,) = check_robust_estimator(Picky(), relations=["constant_column"], on_fail=None)
    assert not result.kept and "RuntimeError: too wide" in result.message


def test_conventions_of_scores():
    """scikit-learn's detectors score high for normal rows, PyOD's for abnormal ones."""
    for detector in (IsolationForest(random_state=0), IForest(), OutlierDetectorAdapter(IForest())):
        results = check_robust_estimator(detector, relations=["row_order", "float32"])
        assert len(results) == 2


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match="relations must be among units"):
        check_robust_estimator(LogisticRegression(), relations=["unit"])
    with pytest.raises(ValueError, match="on_fail must be"):
        check_robust_estimator(LogisticRegression(), on_fail="skip")
    with pytest.raises(TypeError, match="StandardScaler is no classifier"):
        check_robust_estimator(StandardScaler())
    with pytest.raises(ValueError, match=r"DummyClassifier reaches 0\.\d+ on the table"):
        check_robust_estimator(DummyClassifier())
    with pytest.raises(ValueError, match=r"where 0\.3 is asked for"):
        check_robust_estimator(DummyRegressor())


@pytest.mark.parametrize("seed", range(20))
def test_random_tables(seed):
    """Of the 500 that ``python -m tests.testing.random_tables`` tries."""
    found = {name: fault(name, seed) for name in random_tables.ESTIMATORS}
    assert {name: what for name, what in found.items() if what} == {}


def test_random_tables_see_a_scale_that_one_value_sets(monkeypatch):
    """The test above fails where a column is scaled by its extremes, or is lost."""
    for scale, names in ((np.ptp, ["RCA", "PRL"]), (lambda units: 1e300, ["PRL", "regressor"])):
        monkeypatch.setattr(
            "skrobust._preprocessing.spread_of", lambda v, e=0, s=scale: (0.0, s(v))
        )
        assert any(fault(name, seed) for seed in range(12) for name in names)
