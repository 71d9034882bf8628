"""CIFAR-10, from the authors' archive or from mosaics in WebP files."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice, warn_caller
from skrobust.datasets._fetch import Arrays, SourceSet, get_data_home, load_set, read_cached
from skrobust.datasets._images import SUBSETS, make_pictures

__all__ = ["fetch_cifar10"]

TORONTO = "https://www.cs.toronto.edu/~kriz"

EXACT = "images/cifar10.npz"
MOSAICS = {"train": "images/cifar10_train_webp.npz", "test": "images/cifar10_test_webp.npz"}

SIDE = 32
N_HELD_OUT = 10_000
_RECORDS = 10_000  # in a file of the archive
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def fetch_cifar10(
    *,
    subset: str = "train",
    split: str = "official",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load CIFAR-10, colour photographs of ten kinds of things, downloading it if necessary.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The training pictures, the test pictures, or the former and then the latter.
    split : {"official", "training-file"}, default="official"
        With "official", the published 50,000 training and 10,000 test pictures. With
        "training-file", only the published training pictures are used: the first 40,000 to train
        and the last 10,000 to test. Results of the two are not comparable with each other.
    data_home, download_if_missing, return_X_y : optional
        As for :func:`fetch_mnist`, which raises the same. The set is ``images/cifar10.npz``, which
        a download writes, or else ``images/cifar10_train_webp.npz`` and
        ``images/cifar10_test_webp.npz`` (see Notes).

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, 3, 32, 32), uint8, channels red, green, blue first as PyTorch
        takes them, ``target`` (n_samples,), int64, ``target_names``, ``exact``, False if some
        of the pictures are lossy copies, ``name`` and ``DESCR``.

    Warns
    -----
    UserWarning
        If test pictures are returned that are lossy copies.

    Notes
    -----
    The WebP files hold mosaics of 1,000 pictures each, packed without loss. Their training
    pictures are exact. Their test pictures were stored as JPEG before, and differ from the
    published ones (about 30 dB): accuracy on them is not quite accuracy on CIFAR-10.
    ``split="training-file"`` has exact pixels throughout, whichever files there are.

    What is downloaded is the authors' binary archive, not the one for Python: the same pictures
    in the same order, without pickles, which could run code.

    References
    ----------
    Krizhevsky, A. (2009). Learning multiple layers of features from tiny images. University of
    Toronto. The authors state no licence and ask for this citation.
    """
    check_choice("subset", subset, SUBSETS)
    check_choice("split", split, ["official", "training-file"])
    official = split == "official"
    parts = ("train", "test") if subset == "all" else (subset,)
    arrays, exact = _load(parts if official else ("train",), data_home, download_if_missing)
    if not exact:
        warn_caller(
            "These CIFAR-10 test pictures are lossy copies (JPEG, about 30 dB). For exact pixels "
            "use split='training-file', or fetch the set where it can be downloaded."
        )
    arrays = arrays if official else _split_training_file(arrays)
    return make_pictures(arrays, subset, CLASSES, "CIFAR-10", return_X_y, exact=exact)


def _load(
    parts: Sequence[str], data_home: str | os.PathLike | None, download_if_missing: bool
) -> tuple[Arrays, bool]:
    """Return the arrays of the parts, and whether all their pictures are exact."""
    home = get_data_home(data_home)
    packed = {part: home / MOSAICS[part] for part in parts}
    if (home / EXACT).exists() or not all(path.exists() for path in packed.values()):
        urls = [[f"{TORONTO}/cifar-10-binary.tar.gz"]]
        source = SourceSet("CIFAR-10", EXACT, urls, _convert_archive)
        return load_set(source, home, download_if_missing), True
    arrays = {}
    for part, path in packed.items():
        content = read_cached(path, MOSAICS[part])
        arrays[f"x_{part}"] = _unpack_mosaics(content["webp"], content["offsets"])
        arrays[f"y_{part}"] = content["y"]
    return arrays, "test" not in parts


def _split_training_file(arrays: Arrays) -> Arrays:
    x, y, n = arrays["x_train"], arrays["y_train"], N_HELD_OUT
    return {"x_train": x[:-n], "y_train": y[:-n], "x_test": x[-n:], "y_test": y[-n:]}


def _unpack_mosaics(webp: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Cut pictures (n, 3, 32, 32) out of the mosaics, row by row of tiles."""
    from PIL import Image

    pictures = []
    for start, stop in itertools.pairwise(offsets):
        with Image.open(io.BytesIO(webp[start:stop].tobytes()), formats=["WEBP"]) as picture:
            mosaic = np.asarray(picture.convert("RGB"))
        tiles = mosaic.reshape(len(mosaic) // SIDE, SIDE, -1, SIDE, 3)
        pictures.append(tiles.transpose(0, 2, 4, 1, 3).reshape(-1, 3, SIDE, SIDE))
    return np.concatenate(pictures)


def _convert_archive(paths: list[Path]) -> Arrays:
    """Read the archive's six files of records: the class (1 byte), then the picture (3, 32, 32)."""
    with tarfile.open(paths[0]) as archive:
        train = np.concatenate([_records(archive, f"data_batch_{i}") for i in range(1, 6)])
        test = _records(archive, "test_batch")
    x_train, x_test = (part[:, 1:].reshape(-1, 3, SIDE, SIDE) for part in (train, test))
    return {"x_train": x_train, "y_train": train[:, 0], "x_test": x_test, "y_test": test[:, 0]}


def _records(archive: tarfile.TarFile, name: str) -> np.ndarray:
    member: Any = archive.extractfile(f"cifar-10-batches-bin/{name}.bin")
    content = member.read(_RECORDS * (1 + 3 * SIDE * SIDE) + 1)
    return np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * SIDE * SIDE)
