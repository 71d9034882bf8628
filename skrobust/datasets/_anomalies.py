"""Anomalies: tables of the ODDS collection and of ADBench, and features of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._fetch import Arrays, SourceSet, load_set
from skrobust.datasets._registry import SETS

__all__ = [
    "ADBENCH_SETS",
    "FEATURE_SETS",
    "ODDS_SETS",
    "fetch_adbench",
    "fetch_image_features",
    "fetch_odds",
    "make_table",
]

ADBENCH = (
    "https://raw.githubusercontent.com/Minqi824/ADBench/"
    "3dac8221081e190f157d78e93bfa8867f90d0965/adbench/datasets"
)
PYOD = (
    "https://raw.githubusercontent.com/yzhao062/pyod/"
    "34f7996effac700a5166d882d5e94c6e6078fae3/notebooks/data"
)


class AnomalySet(NamedTuple):
    """Size of a set, and the file it is made of."""

    n_samples: int
    n_features: int
    n_anomalies: int
    source: str


ODDS_SETS, ADBENCH_SETS = (
    MappingProxyType({name: AnomalySet(*row[:4]) for name, row in SETS[collection].items()})
    for collection in ("odds", "adbench")
)
# name: rows, anomalies, what is normal
FEATURE_SETS = MappingProxyType({name: tuple(row) for name, row in SETS["features"].items()})

# Single precision would make distinct values of this set equal.
DOUBLE_PRECISION = frozenset({"pendigits"})
# Of ADBench's sets, that many rows at most.
MOST_ROWS = 20_000


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
        If True, ``data`` is a DataFrame, ``target`` a Series, or a DataFrame where there are
        several, and ``frame`` has both.

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
    source = _odds_source(name)
    about = _describe("odds", name, "the ODDS collection", "Rayana (2016), ODDS Library", source)
    arrays = load_set(source, data_home, download_if_missing)
    return _make_bunch(arrays, return_X_y, as_frame, name=name, DESCR=about)


def fetch_adbench(
    name: str,
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load one of 12 tables of ADBench that are not among ODDS's, downloading it if necessary.

    Values are as published there. Of ALOI, celeba, http and skin these are 20,000 rows, drawn
    without replacement with seed 0 and in the order of the source; of the others, all.

    Parameters
    ----------
    name : str
        A key of ``ADBENCH_SETS``, which also gives each set's size and number of anomalies.
    data_home, download_if_missing, return_X_y, as_frame : optional
        As for :func:`fetch_odds`; the set is ``adbench/NAME.npz`` below ``data_home``.

    Returns
    -------
    Bunch or tuple
        As :func:`fetch_odds`, which raises the same; ``data`` is float64.

    References
    ----------
    Han, S. et al. (2022). ADBench: Anomaly Detection Benchmark. NeurIPS.
    """
    check_choice("name", name, list(ADBENCH_SETS))
    source = _adbench_source(name)
    about = _describe("adbench", name, "ADBench", "Han et al. (2022), ADBench", source)
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
    publishes them (Han et al., 2022; see :func:`fetch_odds`).

    Parameters
    ----------
    name : str
        A key of ``FEATURE_SETS``: the collection and the class that is normal.
    data_home, download_if_missing, return_X_y, as_frame : optional
        As for :func:`fetch_odds`; the set is ``features/NAME.npz`` below ``data_home``.

    Returns
    -------
    Bunch or tuple
        As :func:`fetch_odds`, which raises the same; ``target`` is 1 for pictures of other classes.
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


def make_table(
    X: np.ndarray,
    y: np.ndarray,
    feature_names: Sequence[str],
    target_columns: Sequence[str],
    return_X_y: bool,
    as_frame: bool,
    **extra: Any,
) -> Bunch | tuple:
    """Wrap arrays as scikit-learn's fetchers do; ``extra`` goes into the bunch."""
    data, target, frame = X, y, None
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(X, columns=list(feature_names))
        target = pd.DataFrame(y.reshape(len(y), -1), columns=list(target_columns))
        frame = pd.concat([data, target], axis=1)
        target = target if y.ndim == 2 else target[target_columns[0]]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, frame=frame, feature_names=list(feature_names), **extra)


def _odds_source(name: str) -> SourceSet:
    file = ODDS_SETS[name].source
    url = f"{PYOD}/{file}" if file.endswith(".mat") else f"{ADBENCH}/Classical/{file}"
    convert = partial(_convert, dtype=np.float64 if name in DOUBLE_PRECISION else np.float32)
    return SourceSet(f"ODDS {name}", f"odds/{name}.npz", [[url]], convert)


def _adbench_source(name: str) -> SourceSet:
    url = f"{ADBENCH}/Classical/{ADBENCH_SETS[name].source}"
    convert = partial(_convert, dtype=np.float64, most_rows=MOST_ROWS)
    return SourceSet(f"ADBench {name}", f"adbench/{name}.npz", [[url]], convert)


def _describe(collection: str, name: str, of: str, cite: str, source: SourceSet) -> str:
    n_samples, n_features, n_anomalies, _, remark = SETS[collection][name]
    return (
        f"{name} of {of}: {n_samples:,} rows, {n_features} features, {n_anomalies:,}"
        f" anomalies ({n_anomalies / n_samples:.1%}). {remark}\n"
        f"Source: {source.mirrors[0][0]}\n"
        f"The source does not state the licence of the data. Cite {cite}."
    )


def _convert(paths: list[Path], dtype: type, most_rows: int | None = None) -> Arrays:
    """Arrays of a file, Matlab's or numpy's, that holds X and a column y; of some rows at most."""
    from scipy.io import loadmat

    is_matlab = paths[0].suffix == ".mat"
    with nullcontext(loadmat(paths[0])) if is_matlab else np.load(paths[0]) as content:
        X, y = content["X"].astype(dtype), content["y"].ravel().astype(np.int8)
    if most_rows is not None and len(X) > most_rows:
        kept = np.sort(np.random.RandomState(0).permutation(len(X))[:most_rows])
        X, y = X[kept], y[kept]
    return {"X": X, "y": y}


def _make_bunch(arrays: Arrays, return_X_y: bool, as_frame: bool, **about: str) -> Bunch | tuple:
    X, y = arrays["X"], arrays["y"].astype(np.int64)
    names, words = [f"x{i}" for i in range(X.shape[1])], ["normal", "anomaly"]
    return make_table(X, y, names, ["anomaly"], return_X_y, as_frame, target_names=words, **about)
