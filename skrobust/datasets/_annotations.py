"""CIFAR-10N: what people said of the training pictures of CIFAR-10."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skrobust._validation import check_choice
from skrobust.datasets._cifar import CLASSES
from skrobust.datasets._fetch import Arrays, SourceSet, load_set

__all__ = ["fetch_cifar10n"]

FILE = "labels/cifar10n.npz"
MIRRORS = (
    "https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/main/data/CIFAR-10_human.pt",
    "http://www.yliuu.com/web-cifarN/files/CIFAR-N-1.zip",
)
# our names of the labels: theirs
PUBLISHED = {"worst": "worse_label", "aggregate": "aggre_label", "random1": "random_label1"}
LICENCE = "CC BY-NC 4.0"


def fetch_cifar10n(
    *,
    labels: str = "worst",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
) -> Bunch:
    """Load CIFAR-10N, the labels that people gave to CIFAR-10, downloading them if necessary.

    Three paid annotators said of each training picture what it shows. The labels are licensed
    CC BY-NC 4.0: they may be used and shared with attribution, but not commercially.

    Parameters
    ----------
    labels : {"worst", "aggregate", "random1"}, default="worst"
        Of the three answers a wrong one where there is one (40.2 % of the labels are wrong), the
        majority (9.0 %), or the first (17.2 %).
    data_home : str or path-like, default=None
        Folder of the data sets; see :func:`get_data_home`. The set is ``labels/cifar10n.npz``
        below it.
    download_if_missing : bool, default=True
        If False, raise ``DataNotSuppliedError`` rather than download.

    Returns
    -------
    Bunch
        With ``target`` (50000,), int64, in the order of the pictures of :func:`fetch_cifar10`,
        whose ``target`` are the right labels; ``target_names``, ``license``, ``name`` and
        ``DESCR``.

    Raises
    ------
    ValueError
        If ``labels`` is none of these.
    OSError
        If the file there is damaged, or (``DataNotSuppliedError``) missing and not to be had.

    Notes
    -----
    The authors publish the labels as a pickle, which could run code. It is read by
    ``torch.load(weights_only=True)``, which allows nothing but the building of arrays here, and
    what is in it is compared with known digests.

    References
    ----------
    Wei, J., Zhu, Z., Cheng, H., Liu, T., Niu, G. and Liu, Y. (2022). Learning with noisy labels
    revisited: a study using real-world human annotations. ICLR. Licence: CC BY-NC 4.0.
    """
    check_choice("labels", labels, list(PUBLISHED))
    source = SourceSet("CIFAR-10N", FILE, [[url] for url in MIRRORS], _convert)
    target = load_set(source, data_home, download_if_missing)[labels].astype(np.int64)
    about = (
        f"CIFAR-10N, {labels}: what people said of the {len(target):,} training pictures of "
        f"CIFAR-10 (Wei et al., ICLR 2022). Licence: {LICENCE}, not for commercial use."
    )
    names = list(CLASSES)
    return Bunch(target=target, target_names=names, license=LICENCE, name="CIFAR-10N", DESCR=about)


def _convert(paths: list[Path]) -> Arrays:
    """Take the labels out of the file of tensors, or out of the archive that holds it."""
    if zipfile.is_zipfile(paths[0]):
        with zipfile.ZipFile(paths[0]) as archive:
            for name in archive.namelist():
                if name.endswith("CIFAR-10_human.pt"):
                    return _read(io.BytesIO(archive.read(name)))
    return _read(paths[0])


def _read(file: Any) -> Arrays:
    import torch

    # How arrays are built, by numpy's names of today and of the time when the file was written
    build = np.zeros(0).__reduce__()[0]
    builders: list[Any] = [
        (build, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")
    ]
    kinds = [type(np.dtype(code)) for code in np.typecodes["AllInteger"]]
    with torch.serialization.safe_globals([np.ndarray, np.dtype, *builders, *kinds]):
        content = torch.load(file, map_location="cpu", weights_only=True)
    return {ours: np.asarray(content[theirs]).astype(np.int8) for ours, theirs in PUBLISHED.items()}
