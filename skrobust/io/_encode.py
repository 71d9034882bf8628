"""Estimators as JSON and tensors."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from torch import Tensor, nn

import skrobust
from skrobust import _preprocessing, selection
from skrobust._validation import warn_caller
from skrobust.detectors import _combine, _forest, _members
from skrobust.tables import TableEncoder
from skrobust.tables._encoder import Column

FORMAT = 3
HEADER = "skrobust"
_ROOMS = (_preprocessing, selection, _combine, _forest, _members)
OF_MODULES = vars(nn.Module()).keys()
_DROPPED, _GIVEN = object(), object()
_OTHERS = [Pipeline, MinMaxScaler, StandardScaler, SimpleImputer, FunctionTransformer, Column]


@cache
def known(what: str) -> dict[str, Any]:
    """Classes and functions that files may name: "estimator", "object" or "public"."""
    kinds = [getattr(skrobust, name) for name in skrobust.__all__ if name[0].isupper()]
    kinds = [TableEncoder, Pipeline, *(kind for kind in kinds if issubclass(kind, BaseEstimator))]
    estimators = {kind.__name__: kind for kind in kinds}
    if what == "estimator":
        return estimators
    if what == "object":
        parts = [vars(room)[name] for room in _ROOMS for name in room.__all__]
        parts = [kind for kind in [*parts, *_OTHERS] if isinstance(kind, type)]
        return {**estimators, **{kind.__name__: kind for kind in parts}}
    kinds = [nn.Module]
    for kind in kinds:
        kinds += kind.__subclasses__()
    networks = {kind.__name__: kind for kind in kinds if kind.__module__.startswith("skrobust.")}
    layers = {f"nn.{name}": getattr(nn, name) for name in nn.modules.__all__}
    optimizers = {
        f"optim.{name}": kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)
    }
    scores = {name: getattr(selection, name) for name in selection.__all__}
    return {**networks, **layers, **optimizers, **scores}


def dumps(estimator: Any, more: Any = None) -> bytes:
    """Content of a file, with plain data beside the estimator; raises what ``save`` does."""
    if type(estimator) not in known("estimator").values():
        raise TypeError(f"{type(estimator).__name__} cannot be saved: it is none of this package")
    check_is_fitted(estimator)
    writer = _Writer()
    parts = {"estimator": estimator, "more": more}
    content = {name: writer.encode(part, name) for name, part in parts.items()}
    if writer.left_out:
        warn_caller(
            f"not stored, as files hold no code: {', '.join(writer.left_out)}; the loaded "
            "estimator has the defaults, which matter only where it is fitted again"
        )
    header = {"format": FORMAT, "version": skrobust.__version__, **content}
    header["sha256"] = digest(header, writer.tensors)
    return to_safetensors(writer.tensors, {HEADER: json.dumps(header)})


def digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a header and of tensors with their names, types and shapes."""
    result = hashlib.sha256(json.dumps(header, allow_nan=False).encode())
    for name, tensor in sorted(tensors.items()):
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            result.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return result.hexdigest()


class _Writer:
    """Turns objects into JSON and tensors: an object of JSON begins with what it stands for."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.left_out: list[str] = []
        self.in_net = False

    def encode(self, value: Any, name: str) -> Any:
        """Return a value as JSON; ``name`` is where it stands, for its tensors and errors."""
        kind = type(value)
        if kind in (type(None), bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind in (list, tuple, History):
            items = [self.encode(item, f"{name}.{place}") for place, item in enumerate(value)]
            return {kind.__name__: items}
        if kind is dict:
            items = [[key, self.encode(item, f"{name}.{key}")] for key, item in value.items()]
            return {"dict": items}
        if isinstance(value, np.ndarray | np.generic | Tensor):
            return self._array(value, name)
        if kind in (float, torch.device) or isinstance(value, np.dtype):
            form = "dtype" if isinstance(value, np.dtype) else kind.__name__
            return {form: value.str if form == "dtype" else str(value)}
        if value is _GIVEN:
            return {"given": None}
        if kind is partial:
            parts = (value.func, value.args, value.keywords)
            return {"partial": [self.encode(part, name) for part in parts]}
        if isinstance(value, nn.Module):
            return self._module(value, name)
        return self._object(value, name)

    def _array(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            return {"Tensor": self._put(value, name)}
        if value.dtype.kind in "biuf":
            native = np.array(value, dtype=value.dtype.newbyteorder("="))
            form = "ndarray" if isinstance(value, np.ndarray) else "generic"
            if native.dtype == bool:  # every byte but 0 reads as True: damage would pass
                native = native.view(np.uint8)
                return {form: self._put(torch.from_numpy(native), name), "bool": True}
            return {form: self._put(torch.from_numpy(native), name)}
        items = [self.encode(item, name) for item in np.ravel(value).tolist()]
        return {"items": items, "dtype": value.dtype.str, "shape": list(value.shape)}

    def _put(self, tensor: Tensor, name: str) -> str:
        while name in self.tensors:
            name += "_"
        self.tensors[name] = tensor.detach().cpu().contiguous().clone()
        return name

    def _object(self, value: Any, name: str) -> dict[str, Any]:
        public = next((key for key, item in known("public").items() if item is value), None)
        if public is not None:
            return {"public": public}
        kind = type(value)
        if known("object").get(kind.__name__) is not kind:
            raise TypeError(f"{name} cannot be saved: it is a {kind.__name__}")
        state = {key: item for key, item in self._state(value).items() if key != "net_"}
        fields = {key: self.encode(item, f"{name}.{key}") for key, item in state.items()}
        if not hasattr(value, "net_"):
            return {"object": kind.__name__, "fields": fields}
        self.in_net, network = True, value.net_.module_
        for wrapper in ("_orig_mod", "module"):  # of torch.compile, and for several devices
            network = getattr(network, wrapper, network)
        module = self._module(network, f"{name}.net_")
        self.in_net = False
        net = {"device": str(value.net_.device), "module": module}
        return {"object": kind.__name__, "fields": fields, "net": net}

    def _state(self, value: Any) -> dict[str, Any]:
        """Attributes, with parameters that a file cannot hold replaced or left out."""
        state = dict(vars(value))
        if isinstance(value, BaseEstimator):
            for name, parameter in inspect.signature(type(value)).parameters.items():
                if name in state:
                    state[name] = self._parameter(name, state[name], parameter.default)
        if "_net_parameters" in state:
            own = state["_net_parameters"].items()
            kept = {name: self._parameter(name, item, _DROPPED) for name, item in own}
            state["_net_parameters"] = {k: v for k, v in kept.items() if v is not _DROPPED}
        return state

    def _parameter(self, name: str, value: Any, default: Any) -> Any:
        if _can_be_stored(value, name) or default is inspect.Parameter.empty:
            return value
        if name == "module":
            return _GIVEN
        self.left_out.append(name)
        return default

    def _module(self, module: nn.Module | None, name: str) -> dict[str, Any] | None:
        if module is None:
            return None
        kind = type(module)
        public = next((key for key, item in known("public").items() if item is kind), None)
        own = {key: item for key, item in vars(module).items() if key not in OF_MODULES}
        if public is None or not _can_be_stored(own, name):
            if not self.in_net:
                raise TypeError(f"{name} cannot be saved: it is a {kind.__name__}")
            weights = module.state_dict()
            tensors = {key: self._put(item, f"{name}.{key}") for key, item in weights.items()}
            return {"given": tensors}
        return {
            "module": public,
            "fields": {key: self.encode(item, f"{name}.{key}") for key, item in own.items()},
            "_parameters": self._weights(module._parameters, name),
            "_buffers": self._weights(module._buffers, name),
            "_modules": {k: self._module(m, f"{name}.{k}") for k, m in module._modules.items()},
        }

    def _weights(self, tensors: Mapping[str, Tensor | None], name: str) -> dict:
        return {
            key: None if item is None else [self._put(item, f"{name}.{key}"), item.requires_grad]
            for key, item in tensors.items()
        }


def _can_be_stored(value: Any, name: str) -> bool:
    try:
        _Writer().encode(value, name)
    except TypeError:
        return False
    return True
