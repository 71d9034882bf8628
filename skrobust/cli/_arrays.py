"""Arrays in .npz files: rows ``X`` and their labels."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from skrobust.cli._console import InputError
from skrobust.tables._cells import quoted
from skrobust.tables._read import check_readable, reason

__all__ = ["as_pictures", "is_arrays", "read_arrays"]

_FAULTS = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_arrays(path: Path) -> bool:
    """Whether a file is one of arrays, by its name."""
    return path.suffix.lower() == ".npz"


def read_arrays(path: Path, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the array ``X`` of numbers, (n_rows, ...), and the one of labels, (n_rows,)."""
    X, y = _load(path, ["X", labels])
    if X.dtype.kind not in "buif":
        raise InputError(f"{path}: X must hold numbers, got the type {X.dtype}")
    if y.dtype.kind not in "buifSU":
        raise InputError(f"{path}: {labels} must hold numbers or text, got the type {y.dtype}")
    if y.ndim != 1 or not X.ndim or len(X) != len(y):
        raise InputError(
            f"{path}: X must have the shape (n_rows, ...) and {labels} (n_rows,), got {X.shape} "
            f"and {y.shape}"
        )
    if not X.size:
        raise InputError(f"{path}: X is empty, its shape is {X.shape}")
    return X, np.char.decode(y, "utf-8", "backslashreplace") if y.dtype.kind == "S" else y


def as_pictures(path: Path, X: np.ndarray) -> np.ndarray:
    """Return pictures as (n_rows, channels, size, size), float32."""
    pictures = X[:, None] if X.ndim == 3 else X
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise InputError(
            f"{path}: X must have the shape (n_rows, n_features), (n_rows, height, width) or "
            f"(n_rows, 1 or 3 channels, height, width), got {X.shape}"
        )
    height, width = pictures.shape[2:]
    if height != width or height < 4:
        raise InputError(
            f"{path}: pictures must be square and of at least 4 x 4 pixels, got {height} x {width}"
        )
    with np.errstate(over="ignore"):
        pictures = np.ascontiguousarray(pictures, dtype=np.float32)
    wrong = ~np.isfinite(pictures).all(axis=(1, 2, 3))
    if wrong.any():
        raise InputError(
            f"{path}: X holds missing or infinite values, the first in row {wrong.argmax() + 1}"
        )
    return pictures


def _load(path: Path, names: list[str]) -> list[np.ndarray]:
    try:
        check_readable(path)
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise InputError(f"{path} is no .npz file, as numpy.savez writes it")
        with np.load(path, allow_pickle=False) as archive:
            for name in names:
                if name not in archive.files:
                    known = quoted(archive.files, 8) or "none"
                    raise InputError(f"{path} has no array {name!r}, only {known}")
            return [np.asarray(archive[name]) for name in names]
    except InputError:
        raise
    except _FAULTS as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
