"""Public data sets that the package does not fetch: the user puts them into the data folder."""

from __future__ import annotations

import numpy as np

from skrobust.datasets import DataNotSuppliedError, get_data_home

__all__ = ["read_celeba", "read_cifar100"]


def read_cifar100(subset: str, return_X_y: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-100 with its 100 fine labels.

    Parameters
    ----------
    subset : {"train", "test"}
        Which pictures.
    return_X_y : bool, default=True
        There for the form of the fetchers; ignored.

    Returns
    -------
    X : array of shape (n, 3, 32, 32), uint8
        Pictures.
    y : array of shape (n,), int64
        Fine labels.

    Raises
    ------
    DataNotSuppliedError
        If the file is not there.
    """
    X, y = _read(
        "CIFAR-100",
        "images/cifar100.npz",
        (f"X_{subset}", f"y_{subset}"),
        "X_train and X_test (n, 3, 32, 32), uint8, y_train and y_test (n,), the fine labels",
    )
    return X, y.astype(np.int64)


def read_celeba() -> tuple[np.ndarray, np.ndarray]:
    """Read features of CelebA's faces, and the ten coordinates of their landmarks.

    Returns
    -------
    X : array of shape (n, n_features)
        Features of the pictures.
    y : array of shape (n, 10)
        Horizontal and vertical places of eyes, nose and corners of the mouth, in turns.

    Raises
    ------
    DataNotSuppliedError
        If the file is not there.
    """
    return _read(
        "CelebA",
        "regression/celeba.npz",
        ("X", "y"),
        "X (n, n_features), features of the aligned pictures, and y (n, 10), their landmarks",
    )


def _read(
    title: str, file: str, names: tuple[str, str], content: str
) -> tuple[np.ndarray, np.ndarray]:
    path = get_data_home() / file
    if not path.exists():
        raise DataNotSuppliedError(
            f"Data not supplied: {title} is public, but is not fetched; {path} would have the "
            f"arrays {content}"
        )
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[names[0]], arrays[names[1]]
