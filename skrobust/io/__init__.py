"""Trained estimators in files that execute nothing when they are read.

A file holds arrays (safetensors), a header in JSON for all else, and a digest of both. What is read
is built from what is allowed: the estimators and networks of this package, the layers of torch, a
few transformers of scikit-learn, and plain data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from skrobust._files import write_whole

__all__ = ["ModelFileError", "load", "save"]


class ModelFileError(ValueError):
    """A file is no model, is damaged, or was made by another version."""


def save(estimator: BaseEstimator, path: str | os.PathLike) -> None:
    """Write a fitted estimator of this package to a file.

    Parameters
    ----------
    estimator : estimator
        Any of this package, or a scikit-learn ``Pipeline`` of :class:`TableEncoder` and one. An
        adapter or a filter around another package's estimator cannot be saved.
    path : str or path
        File to write; one that exists is replaced.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If the estimator, or something that it has learnt, is none that files can hold.
    OSError
        If the file cannot be written; what was there stays.

    Warns
    -----
    UserWarning
        If parameters cannot be stored (callbacks, functions, classes that are not torch's); they
        are needed to fit again only, and have their defaults in the loaded estimator.

    Notes
    -----
    The training rows are not in the file, but their scores and masks are.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_wine
    >>> import skrobust.io
    >>> from skrobust import PRLClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = PRLClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "wine.model"
    ...     skrobust.io.save(model, path)
    ...     loaded = skrobust.io.load(path)
    >>> bool((loaded.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    from skrobust.io._encode import dumps  # here, as it brings torch

    write_whole({Path(path): dumps(estimator)})


def load(path: str | os.PathLike, *, module: Any = None) -> Any:
    """Read an estimator from a file that :func:`save` or ``skrobust detect --save`` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    module : nn.Module class, function or instance, optional
        What the estimator was given as ``module``, if that is neither a network of this package nor
        made of torch's layers: the file holds its weights, but no code.

    Returns
    -------
    estimator
        It predicts to the bit as the one that was saved, on the same kind of device; without that
        device it uses the CPU. It can be cloned and fitted again. ``net_`` holds the networks
        (``module_``) and the ``history``, and cannot be trained further.

    Raises
    ------
    ModelFileError
        If the file is no model, is damaged or of another version, or ``module`` is needed or does
        not have the weights of the file.
    OSError
        If the file cannot be read.
    """
    from skrobust.io._decode import loads  # here, as it brings torch

    return loads(Path(path), module)[0]
