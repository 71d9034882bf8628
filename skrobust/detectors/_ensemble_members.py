"""The members of RobustEnsembleDetector: how they are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skrobust._device import draw_seed
from skrobust.detectors._base import RobustDetector
from skrobust.detectors._forest import IsolationTrees
from skrobust.detectors._members import SubsampleNeighbors, TrimmedGaussian, TrimmedHistogram
from skrobust.detectors._rca import RCADetector
from skrobust.detectors._realnvp import RobustRealNVPDetector

__all__ = ["MEMBERS", "build_members", "fit_known"]

_MANY_ROWS, _WIDTH, _SMALL_WIDTH = 500, 256, 64  # of the flow
MEMBERS = ("flow", "rca", "gaussian", "marginal", "neighbors", "forest")


def build_members(detector: Any, rate: float, n_rows: int) -> list[tuple[str, Any]]:
    """Build the members of an ensemble, each with a seed of its own."""
    rng = check_random_state(detector.random_state)
    own = {name: getattr(detector, name) for name in ("device", "n_threads", "verbose")}
    own["contamination"] = rate
    width = _WIDTH if n_rows >= _MANY_ROWS else _SMALL_WIDTH
    builders: dict[str, Callable[[], Any]] = {
        "flow": lambda: RobustRealNVPDetector(
            hidden_layer_sizes=(width, width), random_state=draw_seed(rng), **own
        ),
        "rca": lambda: RCADetector(random_state=draw_seed(rng), **own),
        "gaussian": lambda: TrimmedGaussian(rate),
        "marginal": lambda: TrimmedHistogram(rate),
        "neighbors": lambda: SubsampleNeighbors(draw_seed(rng), n_threads=detector.n_threads),
        "forest": lambda: IsolationTrees(draw_seed(rng)),
    }
    members, given = [], MEMBERS if detector.members is None else detector.members
    if not len(given):
        raise ValueError(f"members={given!r} is empty; it needs one at least")
    for one in given:
        if isinstance(one, str) and one in builders:
            members.append((one, builders[one]()))
        elif isinstance(one, tuple) and len(one) == 2 and hasattr(one[1], "decision_function"):
            members.append((one[0], _cloned(one[1], rng)))
        else:
            raise ValueError(
                f"members has {one!r}; allowed are {', '.join(map(repr, builders))} and pairs "
                "of a name and a detector with PyOD's interface"
            )
    return members


def fit_known(member: Any, rows: np.ndarray, is_normal: np.ndarray | None) -> None:
    """Fit a member that leaves rows out, where it can, so that it keeps known normal rows."""
    if is_normal is None or not is_normal.any():
        member.fit(rows)
    elif isinstance(member, RobustDetector):
        member.fit(rows, known=np.where(is_normal, 0, -1))
    elif isinstance(member, TrimmedGaussian | TrimmedHistogram):
        member.fit(rows, is_normal)
    else:
        member.fit(rows)


def _cloned(detector: Any, rng: np.random.RandomState) -> Any:
    """Return a copy of a detector, with a seed of its own where it has none."""
    copy = clone(detector)
    if "random_state" in copy.get_params() and copy.get_params()["random_state"] is None:
        copy.set_params(random_state=draw_seed(rng))
    return copy
