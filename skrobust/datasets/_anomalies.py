"""Anomalies: eighteen tables of the ODDS collection, and features of pictures."""

from __future__ import annotations

import os
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._fetch import SourceSet, load_set
from skrobust.datasets._registry import SETS
from skrobust.datasets._tables import make_table

__all__ = ["FEATURE_SETS", "ODDS_SETS", "fetch_image_features", "fetch_odds"]

ADBENCH = (
    "https://raw.githubusercontent.com/Minqi824/ADBench/"
    "3dac8221081e190f157d78e93bfa8867f90d0965/adbench/datasets"
)
PYOD = (
    "https://raw.githubusercontent.com/yzhao062/pyod/"
    "34f7996effac700a5166d882d5e94c6e6078fae3/notebooks/data"
)


class OddsSet(NamedTuple):
    """Size of a set, and the file it is made of."""

    n_samples: int
    n_features: int
    n_anomalies: int
    source: str


ODDS_SETS = MappingProxyType({name: OddsSet(*row[:4]) for name, row in SETS["odds"].items()})
# name: rows, anomalies, what is normal
FEATURE_SETS = MappingProxyType({name: tuple(row) for name, row in SETS["features"].items()})

# Single precision would make distinct values of this set equal.
DOUBLE_PRECISION = frozenset({"pendigits"})


def fetch_odds(
    name: str,
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load one of 18 tables of the ODDS collection, downloading it if necessary.

    The files are ADBench's copies; those of arrhythmia, glass and ionosphere are PyOD's, because
    ADBench's copies of them have fewer columns or are scaled. Values are as published there.

    Parameters
    ----------
    name : str
        A key of ``ODDS_SETS``, which also gives each set's size and number of anomalies.
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``odds/NAME.npz`` below it.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` only.
    as_frame : bool, default=False
        If True, ``data`` is a DataFrame, ``target`` a Series and ``frame`` has both.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, n_features), float32 (pendigits: float64), ``target``
        (n_samples,), int64, 1 for anomalies, ``feature_names`` (``x0``, ``x1``, ...: the sources
        name none), ``target_names``, ``frame``, ``name`` and ``DESCR``.

    Raises
    ------
    OSError
        If the file there is damaged, or (``DataNotSuppliedError``) missing and not to be had.

    References
    ----------
    Rayana, S. (2016). ODDS Library. Stony Brook University.

    Han, S. et al. (2022). ADBench: Anomaly Detection Benchmark. NeurIPS.
    """
    check_choice("name", name, list(ODDS_SETS))
    source, (n_samples, n_features, n_anomalies, _, remark) = _odds_source(name), SETS["odds"][name]
    about = (
        f"{name} of the ODDS collection: {n_samples:,} rows, {n_features} features, {n_anomalies:,}"
        f" anomalies ({n_anomalies / n_samples:.1%}). {remark}\n"
        f"Source: {source.mirrors[0][0]}\n"
        "The source does not state the licence of the data. Cite Rayana (2016), ODDS Library."
    )
    arrays = load_set(source, data_home, download_if_missing)
    return _make_bunch(arrays, return_X_y, as_frame, name=name, DESCR=about)


def fetch_image_features(
    name: str,
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load features of pictures of one class with 5 % of others, downloading if necessary.

    The 512 features are the last hidden layer of a ResNet-18 trained on ImageNet, as ADBench
    publishes them.

    Parameters
    ----------
    name : str
        A key of ``FEATURE_SETS``: the collection and the class that is normal.
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``features/NAME.npz``.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` only.
    as_frame : bool, default=False
        If True, ``data`` is a DataFrame, ``target`` a Series and ``frame`` has both.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, 512), float32, ``target`` (n_samples,), int64, 1 for pictures of
        other classes, ``feature_names``, ``target_names``, ``frame``, ``name`` and ``DESCR``.

    Raises
    ------
    OSError
        If the file there is damaged, or (``DataNotSuppliedError``) missing and not to be had.

    References
    ----------
    Han, S. et al. (2022). ADBench: Anomaly Detection Benchmark. NeurIPS.
    """
    check_choice("name", name, list(FEATURE_SETS))
    n_rows, n_anomalies, normal = FEATURE_SETS[name]
    urls, convert = [f"{ADBENCH}/CV_by_ResNet18/{name}.npz"], partial(_convert, dtype=np.float32)
    source = SourceSet(f"image features {name}", f"features/{name}.npz", [urls], convert)
    about = (
        f"ResNet-18 features of {name.split('_')[0]}: {n_rows:,} pictures, {normal} as normal, "
        f"{n_anomalies} of other classes.\nSource: {urls[0]}\nCite Han et al. (2022), ADBench."
    )
    arrays = load_set(source, data_home, download_if_missing)
    return _make_bunch(arrays, return_X_y, as_frame, name=name, DESCR=about)


def _odds_source(name):
    file = ODDS_SETS[name].source
    base = PYOD if file.endswith(".mat") else f"{ADBENCH}/Classical"
    convert = partial(_convert, dtype=np.float64 if name in DOUBLE_PRECISION else np.float32)
    return SourceSet(f"ODDS {name}", f"odds/{name}.npz", [[f"{base}/{file}"]], convert)


def _convert(paths, dtype):
    """Arrays of a file, Matlab's or numpy's, that holds X and a column y."""
    content = _read_matlab(paths[0]) if paths[0].suffix == ".mat" else _read_npz(paths[0])
    return {"X": content["X"].astype(dtype), "y": content["y"].ravel().astype(np.int8)}


def _read_matlab(path):
    from scipy.io import loadmat

    return loadmat(path)


def _read_npz(path):
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


def _make_bunch(arrays, return_X_y, as_frame, **about):
    return make_table(
        arrays["X"],
        arrays["y"].astype(np.int64),
        feature_names=[f"x{i}" for i in range(arrays["X"].shape[1])],
        target_columns=["anomaly"],
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=["normal", "anomaly"],
        **about,
    )
