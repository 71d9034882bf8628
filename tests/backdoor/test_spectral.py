"""SpectralSignatureFilter: against a full SVD, contract, pipelines, a planted attack."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import BackdoorRobustClassifier, PRLClassifier, SpectralSignatureFilter
from skrobust.corruption import PatchTrigger, poison
from skrobust.metrics import poison_accuracy
from skrobust.selection import spectral_signature_scores

QUICK = PRLClassifier(
    selection=None, early_stopping=False, max_epochs=3, hidden_layer_sizes=(8,), random_state=0
)


@pytest.fixture
def X():
    return np.random.RandomState(0).normal(size=(120, 4))


@pytest.fixture
def y(X):
    return np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]


@parametrize_with_checks([SpectralSignatureFilter(QUICK)])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("shape", [(50, 6), (6, 50), (1, 3)])
def test_scores_are_those_of_a_full_svd(shape):
    rows = np.random.RandomState(0).normal(size=shape) + 5
    centred = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(centred)
    expected = (centred @ directions[0]) ** 2
    scores = spectral_signature_scores(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-9)


def test_memory_does_not_grow_with_the_square_of_the_rows():
    rows = torch.randn(200_000, 3)  # 300 GiB for a matrix of all pairs
    assert spectral_signature_scores(rows).shape == (200_000,)


def test_each_class_loses_its_share_by_its_own_scores(X, y):
    spectral = SpectralSignatureFilter(QUICK, corruption_rate=0.2).fit(X, y)
    kept, labels = SpectralSignatureFilter(QUICK, corruption_rate=0.2).fit_resample(X, y)
    np.testing.assert_array_equal(kept, X[spectral.inlier_mask_])
    np.testing.assert_array_equal(labels, y[spectral.sample_indices_])
    for label in "abc":
        rows = y == label
        dropped = rows & ~spectral.inlier_mask_
        assert dropped.sum() == np.ceil(0.3 * rows.sum())
        own = spectral.scores_[rows & spectral.inlier_mask_]
        assert spectral.scores_[dropped].min() >= own.max()
        embedding = torch.from_numpy(spectral.estimator_.embed(X[rows]))
        expected = spectral_signature_scores(embedding).numpy()
        np.testing.assert_allclose(spectral.scores_[rows], expected)


def test_embedding_is_what_the_last_layer_is_given(X, y):
    model = clone(QUICK).set_params(n_networks=2, selection="loss").fit(X, y)
    assert model.embed(X).shape == (120, 16)
    weights = model.net_.module_.layers[-1]
    inputs = torch.from_numpy(model.embed(X)).view(120, 2, 8).movedim(1, 0).float()
    outputs = torch.baddbmm(weights.bias, inputs, weights.weight)
    expected = outputs.softmax(dim=-1).mean(dim=0).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)


def test_frames_stay_frames(X, y):
    frame = pd.DataFrame(X, index=np.arange(120) + 7, columns=list("klmn"))
    labels = pd.Series(y, index=frame.index)
    spectral = SpectralSignatureFilter(QUICK)
    kept, left = spectral.fit_resample(frame, labels)
    assert list(kept.index) == list(left.index) == [i + 7 for i in spectral.sample_indices_]
    assert list(spectral.feature_names_in_) == list("klmn")


def test_pipeline_grid_search_and_pickle(X, y):
    pipeline = make_pipeline(StandardScaler(), SpectralSignatureFilter(QUICK), LogisticRegression())
    grid = {
        "spectralsignaturefilter__corruption_rate": [0.0, 0.2],
        "spectralsignaturefilter__estimator__lr": [1e-3, 1e-2],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.8
    spectral = search.best_estimator_[1]
    loaded = pickle.loads(pickle.dumps(spectral))
    np.testing.assert_array_equal(loaded.scores_, spectral.scores_)


def test_poisoned_pictures_lie_apart():
    digits = load_digits()
    X, X_test, truth, y_test = train_test_split(
        digits.images[:, None] / 16, digits.target, test_size=0.3, random_state=0
    )
    trigger = PatchTrigger(size=3)
    X, y, mask = poison(X, truth, trigger, 0.1, random_state=0)
    plain = BackdoorRobustClassifier(
        noisy_label=None, perturbation_limit=0.0, occlusion=0.0, random_state=0
    )
    spectral = SpectralSignatureFilter(plain, corruption_rate=0.1)
    kept, labels = spectral.fit_resample(X, y)
    by_class = [
        roc_auc_score(mask[y == label], spectral.scores_[y == label]) for label in range(10)
    ]
    assert np.mean(by_class) > 0.95
    left = mask[spectral.sample_indices_]
    assert left.sum() < 0.2 * mask.sum()
    standard, filtered = (
        poison_accuracy(clone(plain).fit(*rows), X_test, y_test, trigger)
        for rows in ((X, y), (kept, labels))
    )
    assert standard < 0.2
    assert filtered > standard + 0.3  # what is left still teaches some of it


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"corruption_rate": 0.7}, ValueError, "multiplier=1.5 times corruption_rate=0.7 is 1.05"),
        ({"corruption_rate": 1.0}, ValueError, "corruption_rate"),
        ({"multiplier": 0}, ValueError, "multiplier"),
        ({"estimator": LogisticRegression()}, TypeError, "LogisticRegression does not"),
    ],
)
def test_bad_input(X, y, settings, error, message):
    spectral = SpectralSignatureFilter(QUICK).set_params(**settings)
    with pytest.raises(error, match=message):
        spectral.fit_resample(X, y)
    assert not hasattr(spectral, "scores_")
    with pytest.raises(ValueError, match="inconsistent"):
        SpectralSignatureFilter(QUICK).fit_resample(X, y[:-1])


def test_results_follow_the_random_state(X, y):
    scores = [SpectralSignatureFilter(random_state=seed).fit(X, y).scores_ for seed in (0, 0, 1)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
