"""Features of pictures under a pre-trained network, with one class as the normal one."""

from __future__ import annotations

import os
from functools import partial
from types import MappingProxyType

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._fetch import SourceSet, load_set
from skrobust.datasets._odds import convert_table, read_npz
from skrobust.datasets._tables import make_table

__all__ = ["FEATURE_SETS", "fetch_image_features"]

ADBENCH = (
    "https://raw.githubusercontent.com/Minqi824/ADBench/"
    "3dac8221081e190f157d78e93bfa8867f90d0965/adbench/datasets/CV_by_ResNet18"
)

# name: rows, anomalies, what is normal
FEATURE_SETS = MappingProxyType(
    {
        "CIFAR10_0": (5263, 263, "aeroplanes"),
        "CIFAR10_4": (5263, 263, "deer"),
        "CIFAR10_6": (5263, 263, "frogs"),
        "SVHN_0": (5208, 260, "the digit 0"),
        "SVHN_8": (5310, 265, "the digit 8"),
    }
)


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
    DataNotSuppliedError
        If the set is neither in ``data_home`` nor to be downloaded.
    OSError
        If the file there does not hold the set (its checksum differs).

    References
    ----------
    Han, S. et al. (2022). ADBench: Anomaly Detection Benchmark. NeurIPS.
    """
    check_choice("name", name, list(FEATURE_SETS))
    n_rows, n_anomalies, normal = FEATURE_SETS[name]
    source = SourceSet(
        title=f"image features {name}",
        file=f"features/{name}.npz",
        mirrors=[[f"{ADBENCH}/{name}.npz"]],
        convert=partial(convert_table, read=read_npz, dtype=np.float32),
    )
    arrays = load_set(source, data_home, download_if_missing)
    return make_table(
        arrays["X"],
        arrays["y"].astype(np.int64),
        feature_names=[f"x{i}" for i in range(arrays["X"].shape[1])],
        target_columns=["anomaly"],
        return_X_y=return_X_y,
        as_frame=as_frame,
        target_names=["normal", "anomaly"],
        name=name,
        DESCR=(
            f"ResNet-18 features of {name.split('_')[0]}: {n_rows:,} pictures, {normal} as normal, "
            f"{n_anomalies} of other classes.\nSource: {source.mirrors[0][0]}\nCite Han et al. "
            "(2022), ADBench."
        ),
    )
