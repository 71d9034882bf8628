"""Fetchers from files in the form of the public sources, served on loopback."""

import gzip
import hashlib
import io
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from skrobust import datasets
from skrobust.datasets import _annotations, _anomalies, _cifar, _fetch, _images, _regression


def in_memory(write, *args, **kwargs):
    stream = io.BytesIO()
    write(stream, *args, **kwargs)
    return stream.getvalue()


@pytest.fixture
def home(server, monkeypatch, tmp_path):
    """An empty cache; every source is the local server."""
    for module, names in [
        (_anomalies, ["ADBENCH", "PYOD"]),
        (_regression, ["UCI", "LAGOS"]),
        (_cifar, ["TORONTO"]),
    ]:
        for name in names:
            monkeypatch.setattr(module, name, f"{server.url}/{name}")
    mirrors = [f"{server.url}/CIFAR-10_human.pt", f"{server.url}/CIFAR-N-1.zip"]
    monkeypatch.setattr(_annotations, "MIRRORS", mirrors)
    for name in ["MNIST_MIRRORS", "FASHION_MIRRORS"]:
        monkeypatch.setattr(_images, name, (f"{server.url}/away", f"{server.url}/{name}"))
    return tmp_path / "cache"


# --- ODDS -------------------------------------------------------------------------------------


def test_odds_from_adbench(home, server, expect, table):
    expect("odds/pima.npz", {"X": table["X"][:, :8], "y": table["y"]})
    X = table["X"][:, :8].astype(float)
    content = in_memory(np.savez, X=X, y=table["y"].astype(np.int64))
    server.files["29_Pima.npz"] = content
    bunch = datasets.fetch_odds("pima", data_home=home)
    assert server.requests == ["ADBENCH/Classical/29_Pima.npz"]
    np.testing.assert_array_equal(bunch.data, X.astype(np.float32))
    np.testing.assert_array_equal(bunch.target, table["y"])
    assert bunch.data.dtype == np.float32 and bunch.target.dtype == np.int64
    assert bunch.name == "pima" and "268 anomalies" in bunch.DESCR and bunch.frame is None
    assert bunch.feature_names == [f"x{i}" for i in range(8)]


def test_pickles_of_a_source_are_not_opened(home, server, expect, table):
    expect("odds/pima.npz", table)
    X = table["X"].astype(object)
    server.files["29_Pima.npz"] = in_memory(np.savez, X=X, y=table["y"])
    with pytest.raises(OSError, match="allow_pickle"):
        datasets.fetch_odds("pima", data_home=home)


def test_odds_from_pyod(home, server, expect, table):
    expect("odds/glass.npz", table)
    y = table["y"][:, None].astype(float)  # a column of doubles, as Matlab writes it
    server.files["glass.mat"] = in_memory(savemat, {"X": table["X"].astype(float), "y": y})
    X, y = datasets.fetch_odds("glass", data_home=home, return_X_y=True)
    assert server.requests == ["PYOD/glass.mat"]
    np.testing.assert_array_equal(X, table["X"])
    np.testing.assert_array_equal(y, table["y"])


def test_adbench(home, server, expect, table, monkeypatch):
    monkeypatch.setattr(_anomalies, "MOST_ROWS", 15)
    X = np.random.RandomState(1).normal(size=(20, 3))
    kept = np.sort(np.random.RandomState(0).permutation(20)[:15])
    expect("adbench/http.npz", {"X": X[kept], "y": table["y"][kept]})
    server.files["16_http.npz"] = in_memory(np.savez, X=X, y=table["y"].astype(np.int64))
    bunch = datasets.fetch_adbench("http", data_home=home)
    assert server.requests == ["ADBENCH/Classical/16_http.npz"]
    np.testing.assert_array_equal(bunch.data, X[kept])
    np.testing.assert_array_equal(bunch.target, table["y"][kept])
    assert "of 567,498 rows, drawn with seed 0" in bunch.DESCR
    assert (home / "adbench/http.npz").exists()


def test_adbench_keeps_small_sets_whole(home, server, expect, table):
    X = np.random.RandomState(1).normal(size=(20, 9))
    expect("adbench/WBC.npz", {"X": X, "y": table["y"]})
    server.files["42_WBC.npz"] = in_memory(np.savez, X=X, y=table["y"])
    loaded, y = datasets.fetch_adbench("WBC", data_home=home, return_X_y=True)
    np.testing.assert_array_equal(loaded, X)
    np.testing.assert_array_equal(y, table["y"])
    with pytest.raises(datasets.DataNotSuppliedError, match="ADBench yeast"):
        datasets.fetch_adbench("yeast", data_home=home, download_if_missing=False)


def test_image_features(home, server, expect, table):
    expect("features/SVHN_0.npz", table)
    server.files["SVHN_0.npz"] = in_memory(np.savez, **table)
    bunch = datasets.fetch_image_features("SVHN_0", data_home=home)
    assert server.requests == ["ADBENCH/CV_by_ResNet18/SVHN_0.npz"]
    np.testing.assert_array_equal(bunch.data, table["X"])
    assert "the digit 0 as normal" in bunch.DESCR
    with pytest.raises(ValueError, match="CIFAR10_0"):
        datasets.fetch_image_features("CIFAR10_1")


def test_odds_in_double_precision(home, server, expect):
    X = np.random.RandomState(0).uniform(size=(5, 16))
    y = np.array([0, 0, 0, 1, 0])
    expect("odds/pendigits.npz", {"X": X, "y": y.astype(np.int8)})
    server.files["28_pendigits.npz"] = in_memory(np.savez, X=X, y=y)
    np.testing.assert_array_equal(datasets.fetch_odds("pendigits", data_home=home).data, X)


def test_odds_as_frame(home, server, expect, table):
    expect("odds/glass.npz", table)
    server.files["glass.mat"] = in_memory(savemat, table)
    bunch = datasets.fetch_odds("glass", data_home=home, as_frame=True)
    assert list(bunch.frame.columns) == [*bunch.feature_names, "anomaly"]
    assert isinstance(bunch.data, pd.DataFrame) and isinstance(bunch.target, pd.Series)
    pd.testing.assert_series_equal(bunch.target, bunch.frame["anomaly"])
    X, y = datasets.fetch_odds("glass", data_home=home, as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


@pytest.mark.parametrize("name", ["sensor", "GLASS", "../secret", None, 3])
def test_unknown_names(name, home):
    with pytest.raises(ValueError, match=r"name must be one of .*'glass'"):
        datasets.fetch_odds(name, data_home=home)
    with pytest.raises(ValueError, match=r"name must be one of .*'yeast'"):
        datasets.fetch_adbench(name, data_home=home)
    with pytest.raises(ValueError, match=r"name must be one of .*'naval'"):
        datasets.fetch_regression(name, data_home=home)


# --- MNIST, Fashion-MNIST ---------------------------------------------------------------------


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def digits(server):
    """Seven training and three test pictures, served as idx files."""
    rng = np.random.RandomState(0)
    arrays = {
        "x_train": rng.randint(256, size=(7, 28, 28)).astype(np.uint8),
        "y_train": np.arange(7, dtype=np.uint8),
        "x_test": rng.randint(256, size=(3, 28, 28)).astype(np.uint8),
        "y_test": np.array([2, 0, 1], np.uint8),
    }
    server.files.update({_images.IDX_FILES[name]: idx(array) for name, array in arrays.items()})
    return arrays


@pytest.mark.parametrize(
    "fetch, file, mirror",
    [
        (datasets.fetch_mnist, "images/mnist.npz", "MNIST_MIRRORS"),
        (datasets.fetch_fashion_mnist, "images/fashion_mnist.npz", "FASHION_MIRRORS"),
    ],
)
def test_mnist(fetch, file, mirror, home, server, expect, digits):
    expect(file, digits)
    first = "away/train-images-idx3-ubyte.gz"
    server.faults[first] = [404]
    train = fetch(data_home=home)
    assert server.requests == [first, *(f"{mirror}/{name}" for name in _images.IDX_FILES.values())]
    assert (home / file).exists()
    test = fetch(subset="test", data_home=home, download_if_missing=False)
    X, y = fetch(subset="all", data_home=home, return_X_y=True)
    np.testing.assert_array_equal(train.data, digits["x_train"])
    np.testing.assert_array_equal(test.data, digits["x_test"])
    np.testing.assert_array_equal(test.target, [2, 0, 1])
    np.testing.assert_array_equal(X, np.concatenate([train.data, test.data]))
    np.testing.assert_array_equal(y, np.concatenate([train.target, test.target]))
    assert X.dtype == np.uint8 and y.dtype == np.int64 and len(train.target_names) == 10
    train.data[0] = 0  # may be changed


@pytest.mark.parametrize("flaw", ["truncated", "type", "not gzip", "shape"])
def test_flawed_idx_files(flaw, home, server, expect, digits):
    expect("images/mnist.npz", digits)
    name = _images.IDX_FILES["y_test"]
    content = gzip.decompress(server.files[name])
    server.files[name] = {
        "truncated": server.files[name][:-10],
        "type": gzip.compress(b"\0\0\x0d" + content[3:]),
        "not gzip": content,
        "shape": gzip.compress(content[:-1]),
    }[flaw]
    with pytest.raises(OSError, match="cannot be read"):
        datasets.fetch_mnist(data_home=home)
    assert list(home.rglob("*")) == [home / "images"]


def test_unknown_subset(home):
    for fetch in (datasets.fetch_mnist, datasets.fetch_fashion_mnist, datasets.fetch_cifar10):
        with pytest.raises(ValueError, match="subset must be one of 'train', 'test', 'all'"):
            fetch(subset="valid", data_home=home)
    with pytest.raises(ValueError, match="split must be one of"):
        datasets.fetch_cifar10(split="exact", data_home=home)


# --- CIFAR-10 ---------------------------------------------------------------------------------


@pytest.fixture
def photographs(monkeypatch):
    """Five pictures for each of the archive's six files; splits are cut after 20."""
    monkeypatch.setattr(_cifar, "N_HELD_OUT", 5)
    rng = np.random.RandomState(0)
    x = rng.randint(256, size=(30, 3, 32, 32)).astype(np.uint8)
    y = rng.randint(10, size=30).astype(np.uint8)
    return {"x_train": x[:25], "y_train": y[:25], "x_test": x[25:], "y_test": y[25:]}


@pytest.fixture
def archive(photographs, server, monkeypatch):
    x = np.concatenate([photographs["x_train"], photographs["x_test"]]).reshape(30, -1)
    y = np.concatenate([photographs["y_train"], photographs["y_test"]])
    records = np.column_stack([y, x])
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
            content = records[5 * i : 5 * i + 5].tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    content = stream.getvalue()
    server.files["cifar-10-binary.tar.gz"] = content
    digest = {"*": hashlib.sha256(content).hexdigest()}
    monkeypatch.setitem(_fetch.DIGESTS, "cifar-10-binary.tar.gz", digest)


@pytest.mark.parametrize("subset", ["train", "test", "all"])
@pytest.mark.parametrize("split", ["official", "training-file"])
def test_cifar10_from_the_archive(subset, split, home, photographs, archive, expect):
    expect("images/cifar10.npz", photographs)
    bunch = datasets.fetch_cifar10(subset=subset, split=split, data_home=home)
    assert bunch.exact
    x, y = photographs["x_train"], photographs["y_train"]
    if split == "official":
        x = np.concatenate([x, photographs["x_test"]])
        y = np.concatenate([y, photographs["y_test"]])
    n_train = 25 if split == "official" else 20
    rows = {"train": slice(n_train), "test": slice(n_train, None), "all": slice(None)}[subset]
    np.testing.assert_array_equal(bunch.data, x[rows])
    np.testing.assert_array_equal(bunch.target, y[rows])
    assert bunch.data.dtype == np.uint8 and bunch.target.dtype == np.int64


def test_cifar10_other_archive(home, photographs, archive, expect, monkeypatch):
    expect("images/cifar10.npz", photographs)
    monkeypatch.setitem(_fetch.DIGESTS, "cifar-10-binary.tar.gz", {"*": "0" * 64})
    with pytest.raises(OSError, match=r"tar\.gz: SHA256 hash .*does not match") as caught:
        datasets.fetch_cifar10(data_home=home)
    assert not isinstance(caught.value, datasets.DataNotSuppliedError)
    assert list(home.rglob("*")) == [home / "images"]


def write_mosaics(path, x, y, expect, file):
    """Blocks of 2 x 3 tiles, tile k at row k // 3 and column k % 3; the last is one row."""
    packed = []
    for block in (x[:6], x[6:12], x[12:]):
        rows = [np.concatenate(list(block[k : k + 3]), axis=2) for k in range(0, len(block), 3)]
        mosaic = np.concatenate(rows, axis=1).transpose(1, 2, 0)
        packed.append(in_memory(Image.fromarray(mosaic).save, format="WEBP", lossless=True))
    arrays = {
        "webp": np.frombuffer(b"".join(packed), np.uint8),
        "offsets": np.cumsum([0, *map(len, packed)]),
        "y": y,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    expect(file, arrays)


@pytest.fixture
def mosaics(home, photographs, expect):
    x, y = photographs["x_train"][:15], photographs["y_train"][:15]
    for part in ("train", "test"):
        write_mosaics(home / _cifar.MOSAICS[part], x, y, expect, _cifar.MOSAICS[part])
        x, y = x[::-1], y[::-1]
    return x, y


def test_cifar10_from_mosaics(home, server, mosaics):
    x, y = mosaics
    train = datasets.fetch_cifar10(data_home=home)
    np.testing.assert_array_equal(train.data, x)
    np.testing.assert_array_equal(train.target, y)
    assert train.exact
    with pytest.warns(UserWarning, match="lossy") as caught:
        both = datasets.fetch_cifar10(subset="all", data_home=home)
    np.testing.assert_array_equal(both.data, np.concatenate([x, x[::-1]]))
    assert not both.exact and caught[0].filename == __file__
    held_out = datasets.fetch_cifar10(subset="test", split="training-file", data_home=home)
    np.testing.assert_array_equal(held_out.data, x[-5:])
    assert held_out.exact and server.requests == []


def test_cifar10_damaged_mosaics(home, mosaics):
    path = home / _cifar.MOSAICS["train"]
    with np.load(path) as content:
        arrays = dict(content)
    arrays["webp"] = arrays["webp"].copy()
    arrays["webp"][500] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(OSError, match="is damaged: array 'webp'"):
        datasets.fetch_cifar10(data_home=home)


def test_cifar10_exact_pictures_come_first(home, mosaics, photographs, archive, expect):
    expect("images/cifar10.npz", photographs)
    np.savez(home / "images/cifar10.npz", **photographs)
    test = datasets.fetch_cifar10(subset="test", data_home=home)
    assert test.exact
    np.testing.assert_array_equal(test.data, photographs["x_test"])


# --- regression, lakes ------------------------------------------------------------------------


@pytest.mark.parametrize("name, n_features, n_targets, n_unused", [
    ("concrete", 8, 1, 0),
    ("energy", 8, 1, 1),
    ("kin8nm", 8, 1, 0),
    ("naval", 16, 2, 0),
    ("power_plant", 4, 1, 0),
    ("protein", 9, 1, 0),
])  # fmt: skip
def test_regression(name, n_features, n_targets, n_unused, home, server, expect):
    values = np.random.RandomState(0).normal(size=(6, n_features + n_targets + n_unused))
    server.files["data.txt"] = in_memory(np.savetxt, values, fmt="   %.17e")
    X = values[:, :n_features].astype(np.float32)
    y = values[:, n_features : n_features + n_targets].astype(np.float32)
    y = y if n_targets > 1 else y[:, 0]
    expect(f"regression/{name}.npz", {"X": X, "y": y})
    bunch = datasets.fetch_regression(name, data_home=home)
    np.testing.assert_array_equal(bunch.data, X)
    np.testing.assert_array_equal(bunch.target, y)
    assert len(bunch.feature_names) == n_features and len(bunch.target_names) == n_targets
    frame = datasets.fetch_regression(name, data_home=home, as_frame=True).frame
    assert list(frame.columns) == bunch.feature_names + bunch.target_names


@pytest.fixture
def lakes(server, expect, lakes_csv):
    server.files["raw_data_LPEP2_03082019.csv"] = lakes_csv.encode()
    expect("regression/lagos_ne.npz", {"lake_id": np.array([139273], np.int32)})
    expect("regression/lagos_ne_full.npz", {"lake_id": np.array([139273, 72, 2], np.int32)})


def test_lakes(home, lakes):
    known = datasets.fetch_lagos(data_home=home)
    assert known.data.shape == (1, 18) and known.data.dtype == np.float32
    np.testing.assert_array_equal(known.target, np.float32([[15, 267, 0.914, 7.33]]))
    np.testing.assert_array_equal(known.data[0, [0, 2, -1]], np.float32([-73.460201, 11, 9.3886]))
    assert known.target_names == ["tp_ugL", "tn_ugL", "chla_ugL", "secchi_m"]
    np.testing.assert_array_equal(known.hu4_region, [11])
    every = datasets.fetch_lagos(complete=False, data_home=home)
    assert every.data.shape == (3, 19)
    np.testing.assert_array_equal(np.argwhere(np.isnan(every.data)), [[0, 10], [1, 2]])
    np.testing.assert_array_equal(np.argwhere(np.isnan(every.target)), [[2, 1]])


def test_targets_of_lakes(home, lakes):
    _, y = datasets.fetch_lagos(target="secchi", data_home=home, return_X_y=True)
    np.testing.assert_array_equal(y, np.float32([7.33]))
    two = datasets.fetch_lagos(target=["chla", "tp"], data_home=home, as_frame=True)
    assert list(two.target.columns) == two.target_names == ["chla_ugL", "tp_ugL"]
    np.testing.assert_array_equal(two.target.to_numpy(), np.float32([[0.914, 15]]))
    for wrong in ("tp_ugL", ["tp", "depth"], [], None):
        with pytest.raises(ValueError, match="target must be one of 'tp', 'tn'"):
            datasets.fetch_lagos(target=wrong, data_home=home)


# --- CIFAR-10N --------------------------------------------------------------------------------


class Intruder:
    """What a pickle must not be able to do: write a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.fixture
def annotations(expect):
    rng = np.random.RandomState(0)
    said = {name: rng.randint(10, size=20).astype(np.int8) for name in _annotations.PUBLISHED}
    expect("labels/cifar10n.npz", said)
    return said


def publish(said, old_names=False, **save):
    """The authors' file: a dictionary of arrays, of which one is not ours."""
    content = {_annotations.PUBLISHED[name]: y.astype(np.int64) for name, y in said.items()}
    content["clean_label"] = np.arange(20)
    written = in_memory(lambda stream: torch.save(content, stream, **save))
    return written.replace(b"numpy._core", b"numpy.core") if old_names else written


@pytest.mark.parametrize("labels", list(_annotations.PUBLISHED))
@pytest.mark.parametrize("form", ["torch", "old torch", "archive"])
def test_labels_by_people(labels, form, home, server, annotations):
    if form == "archive":
        content = publish(annotations)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as packed:
            packed.writestr("CIFAR-N/CIFAR-100_human.pt", b"others")
            packed.writestr("CIFAR-N/CIFAR-10_human.pt", content)
        server.files["CIFAR-N-1.zip"] = stream.getvalue()
    elif form == "torch":
        server.files["CIFAR-10_human.pt"] = publish(annotations)
    else:
        save = {"old_names": True, "_use_new_zipfile_serialization": False}
        server.files["CIFAR-10_human.pt"] = publish(annotations, **save)
    bunch = datasets.fetch_cifar10n(labels=labels, data_home=home)
    np.testing.assert_array_equal(bunch.target, annotations[labels])
    assert bunch.target.dtype == np.int64 and bunch.target_names[9] == "truck"
    assert bunch.license == "CC BY-NC 4.0" and bunch.license in bunch.DESCR
    del server.files["CIFAR-N-1.zip" if form == "archive" else "CIFAR-10_human.pt"]
    again = datasets.fetch_cifar10n(labels=labels, data_home=home)  # now from the cache
    np.testing.assert_array_equal(again.target, bunch.target)


@pytest.mark.parametrize("save", [{}, {"_use_new_zipfile_serialization": False}])
def test_labels_by_people_run_nothing(save, home, server, annotations, tmp_path):
    content = {name: Intruder(tmp_path / "ran") for name in _annotations.PUBLISHED.values()}
    server.files["CIFAR-10_human.pt"] = in_memory(
        lambda stream: torch.save(content, stream, **save)
    )
    with pytest.raises(OSError, match="cannot be read") as caught:
        datasets.fetch_cifar10n(data_home=home)
    assert not isinstance(caught.value, datasets.DataNotSuppliedError)
    assert not (tmp_path / "ran").exists() and not (home / "labels/cifar10n.npz").exists()


def test_labels_by_people_checks(home, server, annotations):
    with pytest.raises(ValueError, match="labels must be one of"):
        datasets.fetch_cifar10n(labels="clean", data_home=home)
    with pytest.raises(datasets.DataNotSuppliedError, match="CIFAR-10N"):
        datasets.fetch_cifar10n(data_home=home)
    other = {name: y[::-1] for name, y in annotations.items()}
    server.files["CIFAR-10_human.pt"] = publish(other)
    with pytest.raises(OSError, match="is not the set expected: array 'worst'"):
        datasets.fetch_cifar10n(data_home=home)
