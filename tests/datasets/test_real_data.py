"""The real files, where they are at hand: sizes, known values, checksums (on every read)."""

import numpy as np
import pytest
from scipy.io import savemat

from skrobust import datasets
from skrobust.datasets import (
    ADBENCH_SETS,
    FEATURE_SETS,
    ODDS_SETS,
    REGRESSION_SETS,
    _anomalies,
    _cifar,
    _regression,
)
from skrobust.datasets._registry import DIGESTS, find_damage


@pytest.fixture
def fetch(real_data):
    """Call a fetcher on the real files; skip where the set is missing."""

    def fetch_or_skip(fetcher, *args, **kwargs):
        try:
            return fetcher(*args, data_home=real_data, download_if_missing=False, **kwargs)
        except datasets.DataNotSuppliedError as error:
            pytest.skip(str(error).splitlines()[0])

    return fetch_or_skip


TABLES = [
    *((datasets.fetch_odds, name, size) for name, size in ODDS_SETS.items()),
    *((datasets.fetch_adbench, name, size) for name, size in ADBENCH_SETS.items()),
]


@pytest.mark.parametrize("fetcher, name, size", TABLES)
def test_tables_of_anomalies(fetcher, name, size, fetch):
    n_samples, n_features, n_anomalies, _ = size
    bunch = fetch(fetcher, name)
    assert bunch.data.shape == (n_samples, n_features)
    assert bunch.target.sum() == n_anomalies and set(bunch.target) == {0, 1}
    assert np.isfinite(bunch.data).all()


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_image_features(name, fetch):
    n_samples, n_anomalies, _ = FEATURE_SETS[name]
    bunch = fetch(datasets.fetch_image_features, name)
    assert bunch.data.shape == (n_samples, 512)
    assert bunch.target.sum() == n_anomalies


@pytest.mark.parametrize("name", ODDS_SETS)
def test_odds_from_the_form_of_the_source(name, fetch, tmp_path):
    """Doubles and a column of labels, as published, become the very arrays that are at hand."""
    X, y = fetch(datasets.fetch_odds, name, return_X_y=True)
    source = _anomalies._odds_source(name)
    path = tmp_path / source.mirrors[0][0].rsplit("/", 1)[-1]
    write = savemat if path.suffix == ".mat" else lambda path, arrays: np.savez(path, **arrays)
    write(path, {"X": X.astype(float), "y": y[:, None] if path.suffix == ".mat" else y})
    assert not list(find_damage(source.convert([path]), DIGESTS[source.file]))


@pytest.mark.parametrize(
    "name, n_rows, n_first", [("ALOI", 49_534, 1_508), ("skin", 245_057, 50_859)]
)
def test_drawn_rows_of_the_source(name, n_rows, n_first, fetch, tmp_path):
    """In these sources, the anomalies come first: so many of them are among the rows drawn."""
    y = fetch(datasets.fetch_adbench, name).target
    np.savez(tmp_path / "whole.npz", X=np.arange(n_rows)[:, None], y=np.arange(n_rows) < n_first)
    drawn = _anomalies._adbench_source(name).convert([tmp_path / "whole.npz"])
    np.testing.assert_array_equal(drawn["y"], y)
    assert (np.diff(drawn["X"].ravel()) > 0).all()


@pytest.mark.parametrize("name", sorted(set(REGRESSION_SETS) - {"protein"}))  # which takes a second
def test_regression_from_the_form_of_the_source(name, fetch, tmp_path):
    X, y = fetch(datasets.fetch_regression, name, return_X_y=True)
    np.savetxt(tmp_path / "data.txt", np.column_stack([X, y]), fmt="%.9g")
    source = _regression._uci_source(name)
    assert not list(find_damage(source.convert([tmp_path / "data.txt"]), DIGESTS[source.file]))


@pytest.mark.parametrize("name", REGRESSION_SETS)
def test_regression(name, fetch, real_data):
    bunch = fetch(datasets.fetch_regression, name)
    assert f"{len(bunch.data):,} rows" in bunch.DESCR
    assert bunch.data.shape[1] == len(bunch.feature_names)
    assert bunch.target.shape == ((len(bunch.data), 2) if name == "naval" else (len(bunch.data),))
    with np.load(real_data / "regression" / f"{name}.npz") as content:
        for kind in ("feature_names", "target_names"):
            np.testing.assert_array_equal(content[kind], bunch[kind])
            assert content[kind].dtype == np.array(bunch[kind]).dtype  # so that digests agree


def test_lakes(fetch):
    known = fetch(datasets.fetch_lagos)
    assert known.data.shape == (2555, 18) and known.target.shape == (2555, 4)
    assert not np.isnan(known.data).any() and not np.isnan(known.target).any()
    every = fetch(datasets.fetch_lagos, complete=False)
    assert every.data.shape == (10173, 19)
    # what the converter does to the one table gives the other
    kept = [every.feature_names.index(name) for name in known.feature_names]
    rows = ~np.isnan(np.c_[every.data[:, kept], every.target]).any(1)
    np.testing.assert_array_equal(every.data[rows][:, kept], known.data)
    np.testing.assert_array_equal(every.target[rows], known.target)
    np.testing.assert_array_equal(every.lake_id[rows], known.lake_id)


def test_lakes_of_the_published_file(fetch, lakes_csv, tmp_path):
    """The converter reads rows of the source as the arrays have them, to the last bit."""
    every = fetch(datasets.fetch_lagos, complete=False)
    path = tmp_path / "lakes.csv"
    path.write_text(lakes_csv)
    three = _regression._convert_lakes([path], complete=False)
    rows = [int(np.flatnonzero(every.lake_id == lake)[0]) for lake in three["lake_id"]]
    np.testing.assert_array_equal(every.data[rows], three["X"])
    np.testing.assert_array_equal(every.target[rows], three["y"])
    np.testing.assert_array_equal(every.hu4_region[rows], three["hu4_region"])


def test_lake_columns(real_data):
    for file, complete in [("lagos_ne", True), ("lagos_ne_full", False)]:
        if not (real_data / f"regression/{file}.npz").exists():
            pytest.skip("Data not supplied")
        with np.load(real_data / f"regression/{file}.npz") as content:
            names = np.array(_regression._lake_features(complete))
            np.testing.assert_array_equal(content["feature_names"], names)
            assert content["feature_names"].dtype == names.dtype
            np.testing.assert_array_equal(
                content["target_names"], list(_regression._LAKES["targets"])
            )


@pytest.mark.parametrize("fetcher", [datasets.fetch_mnist, datasets.fetch_fashion_mnist])
def test_grey_pictures(fetcher, fetch):
    X, y = fetch(fetcher, subset="all", return_X_y=True)
    assert X.shape == (70000, 28, 28) and X.max() == 255
    assert set(y) == set(range(10))
    if fetcher is datasets.fetch_mnist:
        np.testing.assert_array_equal(y[:5], [5, 0, 4, 1, 9])


def test_colour_pictures(fetch, real_data, monkeypatch):
    """The first and last mosaic only: all fifty take seconds."""
    path = real_data / _cifar.MOSAICS["train"]
    if not path.exists():
        pytest.skip("Data not supplied")
    unpack = _cifar._unpack_mosaics

    def unpack_two(webp, offsets):
        return np.concatenate([unpack(webp, offsets[:2]), unpack(webp, offsets[-2:])])

    monkeypatch.setattr(_cifar, "_unpack_mosaics", unpack_two)
    X, y = fetch(datasets.fetch_cifar10, return_X_y=True)
    assert X.shape == (2000, 3, 32, 32)
    np.testing.assert_array_equal(y[:5], [6, 9, 9, 4, 1])
    np.testing.assert_array_equal(np.bincount(y), [5000] * 10)
    np.testing.assert_array_equal(X[0, :, 0, 0], [59, 62, 63])  # a frog's first pixel
    mean = X.mean((0, 2, 3)) / 255
    np.testing.assert_allclose(mean, [0.491, 0.482, 0.447], atol=0.02)  # red, green, blue


def test_labels_by_people(fetch, real_data):
    if not (path := real_data / _cifar.MOSAICS["train"]).exists():
        pytest.skip("Data not supplied")
    with np.load(path) as content:
        truth = content["y"]
    wrong = {}
    for labels in ("worst", "random1", "aggregate"):
        bunch = fetch(datasets.fetch_cifar10n, labels=labels)
        wrong[labels] = round(float(np.mean(bunch.target != truth)), 3)
    assert wrong == {"worst": 0.402, "random1": 0.172, "aggregate": 0.09}
