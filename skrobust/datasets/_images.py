"""MNIST and Fashion-MNIST, from the idx files in which they are published."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._fetch import Arrays, SourceSet, load_set

__all__ = ["SUBSETS", "fetch_fashion_mnist", "fetch_mnist", "make_pictures"]

SUBSETS = ("train", "test", "all")
_LARGEST_BYTES = 1 << 30

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
FASHION_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}

GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def fetch_mnist(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load MNIST, handwritten digits in grey, downloading it if necessary.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training pictures, the 10,000 test pictures, or the former and then the latter.
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``images/mnist.npz`` below
        it.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` only.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, 28, 28), uint8, 0 is background, ``target`` (n_samples,), int64,
        ``target_names``, ``name`` and ``DESCR``.

    Raises
    ------
    OSError
        If the file there is damaged, or (``DataNotSuppliedError``) missing and not to be had.

    References
    ----------
    LeCun, Y., Bottou, L., Bengio, Y. and Haffner, P. (1998). Gradient-based learning applied to
    document recognition. Proceedings of the IEEE 86(11).
    """
    check_choice("subset", subset, SUBSETS)
    source = _idx_source("MNIST", "images/mnist.npz", MNIST_MIRRORS)
    arrays = load_set(source, data_home, download_if_missing)
    return make_pictures(arrays, subset, "0123456789", "MNIST", return_X_y)


def fetch_fashion_mnist(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load Fashion-MNIST, pieces of clothing in grey, downloading it if necessary.

    Parameters
    ----------
    subset, data_home, download_if_missing, return_X_y : optional
        As for :func:`fetch_mnist`; the set is ``images/fashion_mnist.npz`` below ``data_home``.

    Returns
    -------
    Bunch or tuple
        As :func:`fetch_mnist`, which raises the same.

    References
    ----------
    Xiao, H., Rasul, K. and Vollgraf, R. (2017). Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms. arXiv:1708.07747. Licence: MIT.
    """
    check_choice("subset", subset, SUBSETS)
    source = _idx_source("Fashion-MNIST", "images/fashion_mnist.npz", FASHION_MIRRORS)
    arrays = load_set(source, data_home, download_if_missing)
    return make_pictures(arrays, subset, GARMENTS, "Fashion-MNIST", return_X_y)


def make_pictures(
    arrays: Arrays,
    subset: str,
    target_names: Sequence[str],
    name: str,
    return_X_y: bool,
    **extra: bool,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Take the subset of ``x_train``, ``y_train``, ``x_test`` and ``y_test``; wrap it."""
    parts = ("train", "test") if subset == "all" else (subset,)
    data = np.concatenate([arrays[f"x_{part}"] for part in parts])
    target = np.concatenate([arrays[f"y_{part}"] for part in parts]).astype(np.int64)
    if return_X_y:
        return data, target
    about = f"{name}, {subset}: {len(data):,} pictures of shape {data.shape[1:]}, uint8."
    names = list(target_names)
    return Bunch(data=data, target=target, target_names=names, name=name, DESCR=about, **extra)


def _idx_source(title: str, file: str, mirrors: Sequence[str]) -> SourceSet:
    urls = [[f"{mirror}/{name}" for name in IDX_FILES.values()] for mirror in mirrors]
    return SourceSet(title, file, urls, _convert_idx)


def _convert_idx(paths: list[Path]) -> Arrays:
    return {name: _read_idx(path) for name, path in zip(IDX_FILES, paths, strict=True)}


def _read_idx(path: Path) -> np.ndarray:
    """Two zero bytes, the type (8: uint8), the number of axes, each axis as 4 bytes, the values."""
    with gzip.open(path) as stream:
        zeros, kind, n_axes = int.from_bytes(stream.read(2)), stream.read(1), stream.read(1)
        if zeros != 0 or kind != b"\x08" or not n_axes:
            raise ValueError(f"{path.name} is not an idx file of bytes")
        shape = [int.from_bytes(stream.read(4)) for _ in range(n_axes[0])]
        size = math.prod(shape)
        if size > _LARGEST_BYTES:
            raise ValueError(f"{path.name} says that it holds {size:,} bytes")
        content = stream.read(size + 1)  # what a small archive unpacks to may be without end
        return np.frombuffer(content, np.uint8).reshape(shape)
