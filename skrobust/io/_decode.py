"""Estimators from JSON and tensors, built from what is allowed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from torch import Tensor, nn

from skrobust._base import RobustEstimator
from skrobust._device import contained_seeding, resolve_device
from skrobust.backdoor import BackdoorRobustClassifier
from skrobust.detectors import RobustEnsembleDetector
from skrobust.detectors._forest import IsolationTrees
from skrobust.io import ModelFileError
from skrobust.io._encode import FORMAT, HEADER, OF_MODULES, digest, known
from skrobust.supervised._base import RobustLearner
from skrobust.tables._encoder import Column
from skrobust.tables._read import check_readable, reason

_SPARE_MODULES, _MODULES_PER_TENSOR = 64, 8
_NAMED = 5


class StoredNet:
    """What a loaded estimator knows of its net: enough to predict, not to train."""

    module_: Any
    n_networks: int
    history: History
    device: str
    step: Any = None


def loads(path: Path, module: Any = None) -> tuple[Any, Any]:
    """Read a file; returns the estimator and what was stored beside it, raises as ``load``."""
    try:
        header, tensors = _read(path)
        _compare(header, tensors)
        reader = _Reader(tensors, module)
        with contained_seeding(0):
            parts = reader.decode(header["estimator"]), reader.decode(header["more"])
        _require(type(parts[0]) in known("estimator").values(), "it holds no estimator")
        check_is_fitted(parts[0])
        return parts
    except (MemoryError, ModelFileError, OSError):
        raise
    except KeyError as error:
        raise ModelFileError(f"{path} is not a skrobust model: {error} is missing") from error
    except Exception as error:  # whatever is said of bytes and parts that are no model
        raise ModelFileError(f"{path} is not a skrobust model: {reason(error)}") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    check_readable(path)
    with path.open("rb"), safe_open(path, framework="pt") as file:
        header = json.loads((file.metadata() or {}).get(HEADER, "null"))
        _require(isinstance(header, dict), "it has no skrobust header")
        found, version = header["format"], header.get("version")
        if found != FORMAT:
            raise ModelFileError(
                f"{path} is not a skrobust model that this version reads: it has format {found!r} "
                f"(of skrobust {version}), only {FORMAT} is known; train it again"
            )
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if header.pop("sha256") != digest(header, tensors):
        raise ModelFileError(f"{path} is damaged: its content does not match its SHA-256")
    return header, tensors


def _compare(header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse descriptions that the tensors do not belong to, before anything is built of them."""
    needed: set[str] = set()
    n_modules, nodes = 0, [header["estimator"], header["more"]]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        if not isinstance(node, dict) or not node:
            continue
        n_modules += "module" in node
        tag, content = next(iter(node.items()))
        if tag in ("Tensor", "ndarray", "generic"):
            needed.add(content)
        if tag == "given" and isinstance(content, dict):
            needed |= set(content.values())
        for part in ("_parameters", "_buffers"):
            needed |= {entry[0] for entry in node.get(part, {}).values() if entry}
        nodes += node.values()
    missing = sorted(needed - tensors.keys())
    _require(not missing, f"tensor {missing[:1]} is missing")
    _require(
        n_modules <= _SPARE_MODULES + _MODULES_PER_TENSOR * len(tensors),
        f"it describes {n_modules} layers, but holds {len(tensors)} tensors",
    )


class _Reader:
    """Builds what a writer has described."""

    def __init__(self, tensors: dict[str, Tensor], module: Any) -> None:
        self.tensors = tensors
        self.module = module
        self.owner: Any = None  # the estimator whose networks are being built

    def decode(self, node: Any) -> Any:
        """Return the value that a piece of JSON stands for."""
        if isinstance(node, str):
            node.encode()  # UnicodeEncodeError: JSON may hold halves of characters
        if not isinstance(node, dict):
            _require(node is None or isinstance(node, bool | int | float | str), "unknown content")
            return node
        tag, content = next(iter(node.items()))
        _require(tag in _READERS, f"unknown content {tag!r}")
        return _READERS[tag](self, content, node)

    def _items(self, content: list, node: dict) -> Any:
        items = [self.decode(item) for item in content]
        if "dtype" in node:
            array = np.empty(len(items), dtype=np.dtype(node["dtype"]))
            array[:] = items
            return array.reshape(node["shape"])
        return tuple(items) if "tuple" in node else items

    def _partial(self, content: list, node: dict) -> partial:
        function, positional, named = self._items(content, node)
        _require(function in known("public").values(), "a function that is not public")
        return partial(function, *positional, **named)

    def _array(self, content: str, node: dict) -> Any:
        tensor = self.tensors[content]
        if "Tensor" in node:
            return tensor
        array = tensor.numpy() != 0 if "bool" in node else tensor.numpy()
        return array if "ndarray" in node else array[()]

    def _object(self, content: str, node: dict) -> Any:
        kind = known("object")[content]
        fields = {name: self.decode(item) for name, item in node["fields"].items()}
        if kind is Column:
            return Column(**fields)
        made: Any = kind.__new__(kind)
        vars(made).update(fields)
        if kind is Pipeline:
            made.memory = None  # which would read pickles
        if isinstance(made, BaseEstimator):
            made.get_params(deep=False)  # AttributeError where one is missing
        if isinstance(made, RobustEstimator) and hasattr(made, "history_"):
            made._validate_params()
            self._add_net(made, node["net"])
            _try_out(made)
        if isinstance(made, RobustEnsembleDetector) and hasattr(made, "n_features_in_"):
            made._validate_params()
            made.device_ = _available(made.device_)
            _try_out(made)
        if isinstance(made, IsolationTrees):
            _check_trees(made)
        return made

    def _add_net(self, estimator: Any, node: dict[str, Any]) -> None:
        self.owner, net = estimator, StoredNet()
        net.module_ = self.decode(node["module"])
        net.n_networks, net.history = net.module_.n_networks, estimator.history_
        net.device = estimator.device_ = _available(node["device"])
        layout = torch.channels_last if net.device == "cpu" else torch.preserve_format
        net.module_.to(net.device, memory_format=layout).eval()
        estimator.net_ = net
        if isinstance(estimator, BackdoorRobustClassifier):  # its perturb asks for the step
            net.step = estimator._step(1)

    def _network(self, content: str, node: dict[str, Any]) -> nn.Module:
        kind = known("public")[content]
        _require(issubclass(kind, nn.Module), f"{content} is no network")
        fields = {name: self.decode(item) for name, item in node["fields"].items()}
        _require(not fields.keys() & OF_MODULES, f"{content} with parts of all modules")
        module = kind.__new__(kind)
        nn.Module.__init__(module)
        vars(module).update(fields)
        for name, entry in node["_parameters"].items():
            module.register_parameter(name, entry and self._weights(name, *entry))
        for name, entry in node["_buffers"].items():
            module.register_buffer(name, entry and self.tensors[entry[0]])
        for name, part in node["_modules"].items():
            module.add_module(name, self.decode(part))
        return module

    def _weights(self, name: str, key: str, requires_grad: bool) -> nn.Parameter:
        _require(bool(self.tensors[key].isfinite().all()), f"weights {name!r} are not finite")
        return nn.Parameter(self.tensors[key], requires_grad=requires_grad)

    def _given(self, content: dict[str, str] | None, node: dict[str, Any]) -> Any:
        """Return the caller's ``module``, or a network that it makes."""
        if self.module is None:
            raise ModelFileError(
                "the networks are of a class that is none of skrobust or torch, and a file holds "
                "no code: pass what the estimator was given as module, load(path, module=…)"
            )
        if content is None:
            return self.module
        weights = {key: self.tensors[name] for key, name in content.items()}
        try:
            _compare_shapes(self.owner, weights)
            network = _make_network(self.owner)
            network.load_state_dict(weights)
        except (RuntimeError, TypeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise ModelFileError(f"module does not fit the weights in the file: {why}") from error
        return network


def _compare_shapes(estimator: Any, weights: dict[str, Tensor]) -> None:
    """Build the network without memory for its weights first: the file says how large it is."""
    with suppress(NotImplementedError), torch.device("meta"):
        shapes = {key: value.shape for key, value in _make_network(estimator).state_dict().items()}
        found = {key: value.shape for key, value in weights.items()}
        if shapes != found:
            odd = sorted(key for key in shapes | found if shapes.get(key) != found.get(key))
            raise ValueError(f"shape mismatch of {', '.join(odd[:_NAMED])}")


def _make_network(estimator: Any) -> nn.Module:
    """Call ``module`` of a learner as its ``fit`` does."""
    is_classifier = hasattr(estimator, "classes_")
    n_outputs = len(estimator.classes_ if is_classifier else estimator._scaler.center_)
    prefix, given = "module__", estimator._net_parameters.items()
    own = {name.removeprefix(prefix): item for name, item in given if name.startswith(prefix)}
    made: Any = RobustLearner.make_network(estimator, estimator._row_shape, n_outputs, **own)
    return made.networks[0]


def _available(device: str) -> str:
    try:
        return str(resolve_device(device))
    except ValueError:
        return "cpu"


def _check_trees(trees: IsolationTrees) -> None:
    """Refuse trees with a way back, in which a search would not end."""
    inner = np.flatnonzero(trees.features_ >= 0)
    _require(bool((trees.children_[:, inner] > inner).all()), "trees whose nodes lead back")


def _try_out(estimator: Any) -> None:
    """Judge one row: what does not fit together raises."""
    row = np.zeros((1, *getattr(estimator, "_row_shape", [estimator.n_features_in_])), np.float32)
    row += getattr(estimator, "feature_range_", (0.0,))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.predict(row)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


_READERS: dict[str, Callable[[_Reader, Any, dict], Any]] = {
    **dict.fromkeys(("list", "tuple", "items"), _Reader._items),
    **dict.fromkeys(("Tensor", "ndarray", "generic"), _Reader._array),
    "dict": lambda reader, content, node: {key: reader.decode(item) for key, item in content},
    "float": lambda reader, content, node: float(content),
    "dtype": lambda reader, content, node: np.dtype(content),
    "device": lambda reader, content, node: torch.device(content),
    "public": lambda reader, content, node: known("public")[content],
    "History": lambda reader, content, node: History(reader._items(content, node)),
    "partial": _Reader._partial,
    "object": _Reader._object,
    "module": _Reader._network,
    "given": _Reader._given,
}
