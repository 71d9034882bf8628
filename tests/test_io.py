"""Saved estimators: the same predictions, everything that was learnt, and nothing executed."""

import copy
import json
import pickle
import struct
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from pyod.models.base import BaseDetector
from pyod.models.iforest import IForest
from safetensors import safe_open
from safetensors.torch import save as to_safetensors
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochScoring
from torch import nn

import skrobust.io
from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustEnsembleDetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)
from skrobust.io import ModelFileError
from skrobust.io._encode import digest
from skrobust.networks import CNN9, ResNet32, SmallCNN
from skrobust.tables import TableEncoder

SHORT = {"max_epochs": 2, "random_state": 0}
SMALL = {**SHORT, "hidden_layer_sizes": (16, 8)}
FLOW = RobustRealNVPDetector(max_epochs=5, min_steps=None, hidden_layer_sizes=(8,))
MEMBERS = [("flow", FLOW), "gaussian", "marginal", "neighbors", "forest"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 4))
    return X, (X[:, 0] > 0).astype(int)


def images(n=24, size=8):
    rng = np.random.RandomState(0)
    return rng.uniform(size=(n, 1, size, size)).astype(np.float32), np.arange(n) % 2


class Network(nn.Module):
    """A network of the user's."""

    def __init__(self, in_features, out_features, width=6):
        super().__init__()
        self.hidden = nn.Linear(in_features, width)
        self.output = nn.Linear(width, out_features)
        self.scale = np.float64(2.0)

    def forward(self, x):
        return self.output(torch.tanh(self.hidden(x))) * float(self.scale)


class Coded(nn.Module):
    """One that holds a function, which no file can."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.hidden = nn.Linear(in_features, out_features)
        self.activation = torch.tanh

    def forward(self, x):
        return self.activation(self.hidden(x))


ESTIMATORS = {
    "rca": RCADetector(n_passes=5, **SMALL),
    "rca auto": RCADetector("auto", n_networks=1, dropout=0.0, **SMALL),
    "rca vae": RCADetector(base="vae", n_passes=3, **SMALL),
    "rca crossentropy": RCADetector(loss="binary_crossentropy", n_passes=2, **SMALL),
    "rca mean": RCADetector(missing="mean", n_passes=2, preprocessing="standard", **SMALL),
    "rca none": RCADetector(missing="mean", n_passes=2, preprocessing=None, **SMALL),
    "realnvp": RobustRealNVPDetector(**SMALL),
    "realnvp exact": RobustRealNVPDetector(constraint="exact", mask="official", **SMALL),
    "realnvp free": RobustRealNVPDetector(lipschitz=None, **SMALL),
    "ensemble": RobustEnsembleDetector(members=MEMBERS, random_state=0),
    "ensemble mean": RobustEnsembleDetector(
        "auto", members=["marginal", "gaussian"], weights=[1, 2], missing="mean", random_state=0
    ),
    "prl": PRLClassifier(**SMALL),
    "co-prl": PRLClassifier(n_networks=2, early_stopping=True, **SMALL),
    "prl own": PRLClassifier(Network, module__width=5, n_networks=2, **SHORT),
    "prl instance": PRLClassifier(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), **SHORT
    ),
    "regressor": PRLRegressor(corruption_rate="auto", preprocessing="minmax", **SMALL),
    "backdoor": BackdoorRobustClassifier(noisy_label="prl", **SMALL, min_steps=None),
    "backdoor range": BackdoorRobustClassifier(
        feature_range=(2, 9),
        categorical_features=[1],
        noisy_label="bootstrap",
        min_steps=None,
        **SMALL,
    ),
    "semi": SemiSupervisedBackdoorClassifier(pretrain_epochs=1, min_steps=None, **SMALL),
    "pruning": FinePruningClassifier(fine_tune_epochs=1, **SMALL),
    "spectral": SpectralSignatureFilter(PRLClassifier(**SMALL), corruption_rate=0.1),
    "filter": RobustFilter(RCADetector(n_passes=2, **SMALL)),
    "adapter": OutlierDetectorAdapter(RCADetector(n_passes=2, **SMALL)),
    "optimizer": PRLClassifier(optimizer=torch.optim.SGD, optimizer__momentum=0.5, **SMALL),
}


def fitted(name, data):
    X, y = data
    model = clone(ESTIMATORS[name])
    if name == "backdoor range":
        X = 2 + 7 * (X - X.min()) / np.ptp(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_detector = isinstance(model, BaseDetector | OutlierDetectorAdapter)
        return (model.fit(X) if is_detector else model.fit(X, y)), X, y


def judge(model, X, y):
    """All that a fitted model says of rows."""
    names = ["decision_function", "predict", "predict_proba", "score_samples", "feature_scores"]
    names += ["member_scores"]
    said = {name: getattr(model, name)(X) for name in names if hasattr(model, name)}
    if hasattr(model, "embed"):
        said["embed"] = model.embed(X)
    if hasattr(model, "perturb"):
        said["perturb"] = model.perturb(X, y)
    if hasattr(model, "sample"):
        said["sample"] = model.sample(3, random_state=0)
    if hasattr(model, "diagnosis_frame"):
        said["diagnosis"] = model.diagnosis_frame().to_numpy(float)
    return said


def assert_equal(one, other):
    """The same state, networks and parts compared as well."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, nn.Module):
        assert repr(one) == repr(other)
        assert_equal(dict(one.state_dict()), dict(other.state_dict()))
        trained = [[w.requires_grad for w in net.parameters()] for net in (one, other)]
        assert trained[0] == trained[1]
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    elif hasattr(one, "__dict__") and not isinstance(one, type) and not callable(one):
        states = [{k: v for k, v in sorted(vars(x).items()) if k != "net_"} for x in (one, other)]
        assert_equal(*states)
        if hasattr(one, "net_"):
            assert_equal(one.net_.module_, other.net_.module_)
            assert one.net_.n_networks == other.net_.n_networks
            assert other.net_.history is other.history_
            assert not any(part.training for part in other.net_.module_.modules())
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_loaded_estimator_is_the_one_that_was_saved(name, data, tmp_path):
    model, X, y = fitted(name, data)
    expected = judge(model, X, y)
    skrobust.io.save(model, tmp_path / "m")
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    loaded = skrobust.io.load(tmp_path / "m", module=Network if name == "prl own" else None)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert_equal(model, loaded)
    assert_equal(expected, judge(loaded, X, y))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    again = tmp_path / "again"
    skrobust.io.save(loaded, again)
    assert again.read_bytes() == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("name", ["rca", "ensemble", "prl own", "semi", "adapter", "filter"])
def test_a_loaded_estimator_is_copied_and_fitted_again(name, data, tmp_path):
    model, X, y = fitted(name, data)
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m", module=Network)
    for other in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert_equal(judge(loaded, X, y), judge(other, X, y))
    for other in (clone(loaded), loaded):
        other.fit(X, y)
        assert_equal(judge(other, X, y), judge(model, X, y))


@pytest.mark.parametrize(
    "network, sizes",
    [
        (SmallCNN, {"module__image_size": 16}),
        (partial(SmallCNN, image_size=16), {}),
        (CNN9, {"module__width": 4}),
        (ResNet32, {"module__width": 4}),
    ],
)
def test_images(network, sizes, tmp_path):
    X, y = images(size=28 if network is CNN9 else 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PRLClassifier(network, **sizes, max_epochs=1, random_state=0).fit(X, y)
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m")
    assert str(loaded.module) == str(network)
    assert_equal(judge(model, X, y), judge(loaded, X, y))


@pytest.mark.parametrize(
    "classes", [["no", "Ōsaka"], [1.0, -2.0], [True, False], [3, 7], np.array(["a", "b"], object)]
)
def test_labels_of_all_kinds_and_names_of_columns(classes, data, tmp_path):
    X, y = data
    frame = pd.DataFrame(X, columns=["a", "ß", "c", "d"])
    model = PRLClassifier(**SMALL).fit(frame, np.asarray(classes)[y])
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m")
    assert_equal(loaded.classes_, model.classes_)
    assert_equal(loaded.feature_names_in_, model.feature_names_in_)
    assert_equal(loaded.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"a": "x"}))


def test_missing_cells_and_columns_never_seen(data, tmp_path):
    X, y = data[0].copy(), data[1]
    X[::7, 1] = np.nan
    X[:, 2] = np.nan
    model = PRLClassifier(missing="mean", **SMALL).fit(X, y)
    skrobust.io.save(model, tmp_path / "m")
    assert_equal(skrobust.io.load(tmp_path / "m").predict_proba(X), model.predict_proba(X))


def test_with_the_encoder_of_tables(data, tmp_path):
    frame = pd.DataFrame(data[0], columns=list("abcd"))
    frame["town"] = np.where(frame["a"] > 0, "Lima", "Oslo")
    frame["day"] = pd.date_range("2024-01-01", periods=len(frame)).strftime("%Y-%m-%d")
    model = make_pipeline(TableEncoder(), RCADetector(preprocessing=None, n_passes=2, **SMALL))
    scores = model.fit(frame).decision_function(frame)
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m")
    assert_equal(loaded.decision_function(frame), scores)
    assert_equal(loaded[0].columns_, model[0].columns_)
    skrobust.io.save(model[0], tmp_path / "encoder")
    assert_equal(skrobust.io.load(tmp_path / "encoder").transform(frame), model[0].transform(frame))


def test_a_device_that_is_not_here(data, tmp_path, monkeypatch):
    model, X, y = fitted("prl", data)
    expected = judge(model, X, y)
    monkeypatch.setattr(model.net_, "device", "cuda:7")
    model.device_ = "cuda:7"
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m")
    assert loaded.device_ == loaded.net_.device == "cpu"
    assert_equal(judge(loaded, X, y), expected)


@pytest.mark.parametrize("wrap", ["compiled", "parallel"])
def test_networks_inside_a_wrapper(wrap, data, tmp_path):
    model, X, y = fitted("prl", data)
    expected = judge(model, X, y)
    network = model.net_.module_
    wrapped = nn.DataParallel(network)
    if wrap == "compiled":
        wrapped = torch.compile(network, backend="eager")
    model.net_.module_ = wrapped
    skrobust.io.save(model, tmp_path / "m")
    assert_equal(judge(skrobust.io.load(tmp_path / "m"), X, y), expected)


# ---- modules of the user's ----------------------------------------------------------------------


@pytest.mark.parametrize("module", [Coded, Coded(4, 2)], ids=["class", "instance"])
def test_a_network_with_code_comes_from_the_caller(module, data, tmp_path):
    X, y = data
    model = PRLClassifier(module, **SHORT).fit(X, y)
    skrobust.io.save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"no code.*load\(path, module=…\)"):
        skrobust.io.load(tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"does not fit the weights.*hidden"):
        skrobust.io.load(tmp_path / "m", module=nn.Linear)
    for other in (Network, dict, int):
        with pytest.raises(ModelFileError, match="does not fit the weights"):
            skrobust.io.load(tmp_path / "m", module=other)
    loaded = skrobust.io.load(tmp_path / "m", module=module)
    assert loaded.module is module
    assert_equal(judge(loaded, X, y), judge(model, X, y))


def test_shapes_that_do_not_fit_the_module(data, tmp_path):
    class Wider(Network):
        def __init__(self, in_features, out_features, width):
            super().__init__(in_features, out_features, width + 1)

    model, *_ = fitted("prl own", data)
    skrobust.io.save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"does not fit the weights in the file.*mismatch"):
        skrobust.io.load(tmp_path / "m", module=Wider)


# ---- what cannot be stored ----------------------------------------------------------------------


def test_parameters_that_hold_code_are_left_out_with_a_warning(data, tmp_path):
    X, y = data
    model = PRLClassifier(
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
        callbacks=[EpochScoring("accuracy")],
        train_split=None,
        iterator_train=torch.utils.data.DataLoader,
        random_state=np.random.RandomState(0),
        hidden_layer_sizes=(8,),
        max_epochs=1,
    ).fit(X, y)
    names = "optimizer, random_state, callbacks, iterator_train"
    with pytest.warns(UserWarning, match=names) as caught:
        skrobust.io.save(model, tmp_path / "m")
    assert caught[0].filename == __file__
    loaded = skrobust.io.load(tmp_path / "m")
    assert loaded.optimizer is torch.optim.Adam
    assert loaded.callbacks is None and loaded.random_state is None
    assert loaded.get_params()["train_split"] is None
    assert "iterator_train" not in loaded.get_params()
    assert_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("model", ESTIMATORS.values(), ids=ESTIMATORS)
def test_an_estimator_that_is_not_fitted(model, tmp_path):
    with pytest.raises(NotFittedError):
        skrobust.io.save(clone(model), tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "model, name",
    [
        (LogisticRegression(), "LogisticRegression"),
        (OutlierDetectorAdapter(IForest(n_estimators=2)), "IForest"),
        (RobustFilter(IForest(n_estimators=2)), "IForest"),
        (RobustEnsembleDetector(members=["marginal", ("a", IForest(n_estimators=2))]), "IForest"),
        (make_pipeline(TableEncoder(), LogisticRegression()), "LogisticRegression"),
    ],
)
def test_estimators_of_others(model, name, data, tmp_path):
    X, y = data
    model.fit(X, y)
    with pytest.raises(TypeError, match=f"cannot be saved.*{name}|{name} cannot be saved"):
        skrobust.io.save(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_or_read(data, tmp_path):
    model, *_ = fitted("prl", data)
    with pytest.raises(OSError):
        skrobust.io.save(model, tmp_path / "no folder" / "m")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        skrobust.io.save(model, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileNotFoundError):
        skrobust.io.load(tmp_path / "m")


# ---- files that are no models -------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.fixture(scope="module")
def stored(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m"
    skrobust.io.save(fitted("rca", data)[0], path)
    return path


def content(path):
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["skrobust"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path, header, tensors):
    """A file whose digest is right, whatever it holds."""
    header.pop("sha256")
    header["sha256"] = digest(header, tensors)
    path.write_bytes(to_safetensors(tensors, {"skrobust": json.dumps(header)}))


@pytest.mark.parametrize("place", ["header", "tensors", "digest"])
def test_damage_is_noticed(stored, tmp_path, place):
    header, tensors = content(stored)
    if place == "header":
        header["estimator"]["fields"]["threshold_"] += 1e-9
    if place == "tensors":
        name = next(name for name in tensors if name.endswith("bias"))
        put(tensors, name, 0.5)
    if place == "digest":
        header["sha256"] = "0" * 64
    path = tmp_path / "bad"
    path.write_bytes(to_safetensors(tensors, {"skrobust": json.dumps(header)}))
    with pytest.raises(ModelFileError, match=r"bad is damaged"):
        skrobust.io.load(path)


@pytest.mark.parametrize("name", ["shape", "name", "type"])
def test_the_digest_knows_names_types_and_shapes(name):
    tensors = {"a": torch.zeros(2, 3), "b": torch.zeros(3)}
    other = {
        "shape": {"a": torch.zeros(3, 2), "b": torch.zeros(3)},
        "name": {"a": torch.zeros(2, 3), "c": torch.zeros(3)},
        "type": {"a": torch.zeros(2, 3, dtype=torch.int32), "b": torch.zeros(3)},
    }[name]
    assert digest({}, tensors) != digest({}, other)
    assert digest({}, tensors) == digest({}, dict(reversed(tensors.items())))


def broken(stored, how):
    whole = stored.read_bytes()
    return {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "pickle": pickle.dumps(Bomb()),
        "truncated": whole[: len(whole) // 2],
        "header only": whole[:100],
        "too long": whole + b"x",
        "huge header": struct.pack("<Q", 2**62) + whole[8:],
        "foreign": to_safetensors({"x": torch.zeros(3)}),
        "not json": to_safetensors({"x": torch.zeros(3)}, {"skrobust": "{"}),
        "nested": to_safetensors({"x": torch.zeros(3)}, {"skrobust": "[" * 100_000}),
        "no dict": to_safetensors({"x": torch.zeros(3)}, {"skrobust": "[1]"}),
    }[how]


SIMPLE = ["empty", "text", "pickle", "truncated", "header only", "too long", "huge header"]
SIMPLE += ["foreign", "not json", "nested", "no dict"]


@pytest.mark.parametrize("how", SIMPLE)
def test_files_of_other_kinds(stored, tmp_path, how):
    path = tmp_path / "bad"
    path.write_bytes(broken(stored, how))
    with pytest.raises(ModelFileError, match="bad is not a skrobust model"):
        skrobust.io.load(path)


def test_a_file_of_the_first_format(tmp_path):
    path = tmp_path / "old"
    header = {"format": 1, "version": "0.1.0", "detector": "rca"}
    path.write_bytes(to_safetensors({"x": torch.zeros(3)}, {"skrobust": json.dumps(header)}))
    with pytest.raises(ModelFileError, match=r"format 1 \(of skrobust 0\.1\.0\), only 3 is known"):
        skrobust.io.load(path)


WEIGHT = "estimator.net_.layers.0.weight"


def put(tensors, name, value):
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = value


def fields(header):
    return header["estimator"]["fields"]


def module(header):
    return header["estimator"]["net"]["module"]


EDITS = {
    "no format": lambda header, tensors: header.pop("format"),
    "estimator": lambda header, tensors: header["estimator"].update(object="Forest"),
    "estimator type": lambda header, tensors: header["estimator"].update(object=["RCADetector"]),
    "no estimator": lambda header, tensors: header.update(estimator=3),
    "a part": lambda header, tensors: header.update(estimator=fields(header)["_preprocessor"]),
    "dropout": lambda header, tensors: fields(header).update(dropout=1.5),
    "parameter gone": lambda header, tensors: fields(header).pop("dropout"),
    "callbacks": lambda header, tensors: fields(header).update(callbacks={"public": "exec"}),
    "a function": lambda header, tensors: fields(header).update(
        _row_loss={"partial": [3, {"tuple": []}, {"dict": []}]}
    ),
    "unknown tag": lambda header, tensors: fields(header).update(callbacks={"eval": "1"}),
    "text": lambda header, tensors: fields(header).update(preprocessing="x\ud800"),
    "no net": lambda header, tensors: header["estimator"].pop("net"),
    "no network": lambda header, tensors: module(header).update(module="squared_error"),
    "unknown network": lambda header, tensors: module(header).update(module="os.system"),
    "networks text": lambda header, tensors: module(header)["fields"].update(n_networks="x"),
    "insides": lambda header, tensors: module(header)["fields"].update(_forward_hooks=1),
    "part gone": lambda header, tensors: module(header)["_modules"].pop("layers"),
    "weights gone": lambda header, tensors: tensors.pop(WEIGHT),
    "weights nan": lambda header, tensors: put(tensors, WEIGHT, np.nan),
    "weights shape": lambda header, tensors: tensors.update({WEIGHT: torch.zeros(2, 9, 16)}),
    "passes shape": lambda header, tensors: tensors.update({"estimator._passes": torch.zeros(2)}),
    "not fitted": lambda header, tensors: header["estimator"].update(
        fields={k: v for k, v in fields(header).items() if not k.endswith("_")}
    ),
    "preprocessor": lambda header, tensors: fields(header).update(_preprocessor={"list": []}),
}


@pytest.mark.parametrize("how", EDITS)
def test_contents_that_do_not_fit_together(stored, tmp_path, how):
    header, tensors = content(stored)
    EDITS[how](header, tensors)
    path = tmp_path / "bad"
    write(path, header, tensors)
    with pytest.raises(ModelFileError, match="bad is not a skrobust model"):
        skrobust.io.load(path)


@pytest.fixture(scope="module")
def stored_ensemble(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m"
    skrobust.io.save(fitted("ensemble", data)[0], path)
    return path


TREES = "estimator.members_.4.1"
ENSEMBLE_EDITS = {
    "no members": lambda header, tensors: fields(header).pop("members_"),
    "fewer members": lambda header, tensors: fields(header)["members_"]["list"].pop(),
    "no names": lambda header, tensors: fields(header).update(members_={"list": [1, 2, 3, 4, 5]}),
    "weights": lambda header, tensors: tensors.update(
        {"estimator.weights_": torch.full((2,), 0.5, dtype=torch.float64)}
    ),
    "parameter": lambda header, tensors: fields(header).update(training_rate=0.7),
    "parameter gone": lambda header, tensors: fields(header).pop("weights"),
    "no scale": lambda header, tensors: fields(header).pop("_standardizer"),
    "other class": lambda header, tensors: fields(header)["_standardizer"].update(object="Random"),
    "endless": lambda header, tensors: tensors[f"{TREES}.children_"].zero_(),
    "a cut gone": lambda header, tensors: tensors.pop(f"{TREES}.cuts_"),
}


@pytest.mark.parametrize("how", ENSEMBLE_EDITS)
def test_ensembles_that_do_not_fit_together(stored_ensemble, tmp_path, how):
    header, tensors = content(stored_ensemble)
    ENSEMBLE_EDITS[how](header, tensors)
    path = tmp_path / "bad"
    write(path, header, tensors)
    with pytest.raises(ModelFileError, match="bad is not a skrobust model"):
        skrobust.io.load(path)


def test_an_ensemble_of_a_device_that_is_not_here(data, tmp_path):
    model, X, y = fitted("ensemble", data)
    expected = judge(model, X, y)
    model.device_ = model.members_[0][1].net_.device = "cuda:7"
    skrobust.io.save(model, tmp_path / "m")
    loaded = skrobust.io.load(tmp_path / "m")
    assert loaded.device_ == loaded.members_[0][1].device_ == "cpu"
    assert_equal(judge(loaded, X, y), expected)


def test_an_untouched_copy_loads(stored, tmp_path):
    path = tmp_path / "good"
    write(path, *content(stored))
    assert isinstance(skrobust.io.load(path), RCADetector)


def test_a_pipeline_never_reads_a_cache(data, tmp_path):
    frame = pd.DataFrame(data[0], columns=list("abcd"))
    model = make_pipeline(TableEncoder(), RCADetector(n_passes=2, **SMALL), memory=str(tmp_path))
    skrobust.io.save(model.fit(frame), tmp_path / "m")
    assert skrobust.io.load(tmp_path / "m").memory is None


def test_arrays_without_an_entry_are_saved(tmp_path):
    X, y = np.random.RandomState(0).normal(size=(60, 3)), np.arange(60) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FinePruningClassifier(max_epochs=1, fine_tune_epochs=1, random_state=0).fit(X, y)
    model.pruned_units_ = model.pruned_units_[:0]
    skrobust.io.save(model, tmp_path / "model")
    assert skrobust.io.load(tmp_path / "model").pruned_units_.shape == (0,)
