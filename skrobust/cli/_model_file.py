"""Models in one safetensors file: arrays, and JSON for the rest. Reading one executes nothing.

Everything that is read is checked before it is used: types, shapes, finite numbers. The network is
built without memory, its weights are those of the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from skrobust import __version__
from skrobust._preprocessing import TablePreprocessor
from skrobust.cli._columns import Column, widths
from skrobust.cli._detectors import DETECTORS
from skrobust.cli._errors import InputError, check_readable, reason
from skrobust.cli._labels import LabelRule
from skrobust.cli._model import Model

__all__ = ["dump_model", "load_model"]

FORMAT = 1
_KEY = "skrobust"
_WEIGHTS = "weights."
_FACTS = {"rows": int, "contamination": float, "epochs": int, "seed": int}


class StoredFill(TablePreprocessor):
    """What a fitted TablePreprocessor that scales nothing does to encoded rows.

    Parameters
    ----------
    fill : array of shape (n_features,)
        Replaces nan.
    missing : {"error", "mean"}
        Whether there may be nan.
    """

    def __init__(self, fill: np.ndarray, missing: str) -> None:
        super().__init__(None, missing)
        self.fill = fill

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return float32 rows without nan."""
        return np.where(np.isnan(X), self.fill, X).astype(np.float32)


def dump_model(model: Model) -> bytes:
    """Content of the file.

    Parameters
    ----------
    model : Model
        Trained in this process, or loaded.

    Returns
    -------
    bytes
    """
    detector = model.detector
    arrays = {
        "fill": _fill(detector._preprocessor, len(model.typical)),
        "training_scores": model.training_scores,
        "typical": model.typical,
    }
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    weights = detector.net_.module_.state_dict()
    tensors |= {_WEIGHTS + name: w.cpu().contiguous() for name, w in weights.items()}
    passes = getattr(detector, "_passes", None)
    if passes is not None:
        tensors["passes"] = passes.cpu()
    return save(tensors, metadata={_KEY: json.dumps(_header(model), allow_nan=False)})


def load_model(path: Path) -> Model:
    """Read a model.

    Parameters
    ----------
    path : Path
        Written by ``--save``.

    Returns
    -------
    Model
        Scores rows as the one that was saved; its detector can do nothing else.

    Raises
    ------
    InputError
        If the file cannot be read, is no model, is damaged or is of a newer format.
    """
    try:
        check_readable(path)
        with path.open("rb"), safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
            _require(isinstance(header, dict), "it has no skrobust header")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _build(header, tensors)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    except KeyError as error:
        raise InputError(f"{path} is not a skrobust model: {error} is missing") from error
    except (SafetensorError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(f"{path} is not a skrobust model: {reason(error)}") from error


def _header(model: Model) -> dict[str, Any]:
    parameters = model.detector.get_params()
    names = (*DETECTORS[model.kind].scoring_parameters, "missing")
    return {
        "format": FORMAT,
        "version": __version__,
        "detector": model.kind,
        "parameters": {name: parameters[name] for name in names},
        "columns": [asdict(column) for column in model.columns],
        "threshold": model.threshold,
        "facts": dict(model.facts),
        "id_column": model.id_column,
        "label": model.label and asdict(model.label),
    }


def _fill(preprocessor: Any, n_features: int) -> np.ndarray:
    if isinstance(preprocessor, StoredFill):
        return preprocessor.fill
    steps = preprocessor.pipeline_.named_steps
    return steps["impute"].statistics_ if "impute" in steps else np.zeros(n_features)


def _build(header: dict[str, Any], tensors: dict[str, Tensor]) -> Model:
    _require(header["format"] == FORMAT, f"format {header['format']!r}, only {FORMAT} is known")
    kind = header["detector"]
    _require(kind in DETECTORS, f"unknown detector {kind!r}")
    columns = tuple(_column(entry) for entry in header["columns"])
    _require(len({column.name for column in columns}) == len(columns), "two columns of one name")
    n_features = sum(widths(columns))
    _require(n_features > 0, "no columns")
    scores = _array(tensors, "training_scores")
    _require(len(scores) >= 2 and bool((np.diff(scores) >= 0).all()), "bad training scores")
    facts, label = header["facts"], header["label"]
    return Model(
        kind,
        _detector(kind, header["parameters"], tensors, n_features),
        columns,
        _array(tensors, "typical", n_features),
        scores,
        _number(header["threshold"]),
        {
            **{name: _typed(facts[name], kind) for name, kind in _FACTS.items()},
            "version": _typed(header["version"], str),
        },
        header["id_column"] if header["id_column"] is None else _typed(header["id_column"], str),
        label and LabelRule(*(_typed(label[name], str) for name in _LABEL)),
    )


_LABEL = ("column", "normal", "abnormal")
_KINDS = ("numeric", "date", "categorical", "empty")


def _column(entry: Mapping[str, Any]) -> Column:
    _require(entry["kind"] in _KINDS, f"unknown kind of column {entry['kind']!r}")
    column = Column(
        name=_typed(entry["name"], str),
        kind=entry["kind"],
        center=_number(entry["center"]),
        scale=_number(entry["scale"]),
        levels=tuple(_typed(level, str) for level in _typed(entry["levels"], list)),
        typical=_typed(entry["typical"], str),
    )
    _require(column.scale > 0, f"column {column.name!r} has scale {column.scale}")
    _require(len(set(column.levels)) == len(column.levels), f"column {column.name!r}: equal levels")
    return column


def _detector(kind: str, parameters: Any, tensors: dict[str, Tensor], n_features: int) -> Any:
    names = {*DETECTORS[kind].scoring_parameters, "missing"}
    _require(set(parameters) == names, "other parameters than expected")
    detector: Any = DETECTORS[kind].build(**parameters)
    detector._validate_params()
    module = _module(detector, tensors, n_features)
    passes = _passes(module, detector.n_passes, tensors) if "n_passes" in parameters else None
    fill = StoredFill(_array(tensors, "fill", n_features), detector.missing)
    return detector.restore(module, passes, fill, n_features)


def _module(detector: Any, tensors: dict[str, Tensor], n_features: int) -> nn.Module:
    network, settings = detector._network(n_features)
    with torch.device("meta"):
        module = network(**{k.removeprefix("module__"): v for k, v in settings.items()})
    weights = {k.removeprefix(_WEIGHTS): v for k, v in tensors.items() if k.startswith(_WEIGHTS)}
    for name, expected in module.state_dict().items():
        _require(weights[name].dtype == expected.dtype, f"weights {name!r} of another type")
        _require(bool(weights[name].isfinite().all()), f"weights {name!r} are not finite")
    module.load_state_dict(weights, assign=True)  # checks names and shapes
    return module


def _passes(module: Any, n_passes: int, tensors: dict[str, Tensor]) -> Tensor | None:
    """Compare the stored draws with the form that the network would draw."""
    with torch.device("meta"):
        expected = module.draw_passes(n_passes)
    if expected is None:
        return None
    passes = tensors["passes"]
    alike = passes.shape == expected.shape and passes.dtype == expected.dtype
    _require(alike, "passes of another form")
    return passes


def _array(tensors: dict[str, Tensor], name: str, n: int | None = None) -> np.ndarray:
    tensor = tensors[name]
    _require(tensor.ndim == 1 and n in (None, len(tensor)), f"{name} of another shape")
    _require(tensor.dtype.is_floating_point, f"{name} of another type")
    _require(bool(tensor.isfinite().all()), f"{name} is not finite")
    return tensor.numpy()


def _number(value: Any) -> float:
    _require(isinstance(value, int | float) and math.isfinite(value), f"{value!r} is no number")
    return float(value)


def _typed(value: Any, kind: type) -> Any:
    _require(isinstance(value, kind), f"{value!r} where {kind.__name__} is expected")
    if kind is str:
        value.encode()  # UnicodeEncodeError: JSON may hold halves of characters
    return value


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
