"""Memory that scoring and training need beyond their rows, measured in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.speed.data import contaminated_rows, normal_rows
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import quartiles

__all__ = ["extra_memory", "training_memory"]

N_ROWS = 1_000_000


def extra_memory(name: str, goal: float, n_runs: int = 3) -> Row:
    """Peak of the resident memory while a detector scores a million rows.

    Parameters
    ----------
    name : str
        Key of the detectors below.
    goal : float
        Bound in MiB.
    n_runs : int, default=3
        Processes, one after the other.
    """
    compared = f"extra memory, n={N_ROWS}"
    if not sys.platform.startswith("linux"):
        return Row(compared, None, at_most(goal), unit="MiB", note="needs /proc")
    values = [_in_a_process("score", name) for _ in range(n_runs)]
    return Row(compared, quartiles(values), at_most(goal), unit="MiB", note="upper bound")


def training_memory(name: str, goal: float, n_runs: int = 3) -> Row:
    """Peak of the resident memory while PRL(G) trains, over that of plain training.

    Parameters
    ----------
    name : str
        Key of ``benchmarks.speed.prl_step.GRADIENT_STEPS``.
    goal : float
        Bound of the ratio.
    n_runs : int, default=3
        Processes of either kind, in turns.
    """
    compared = f"peak memory of PRL(G) / plain training, {name}"
    if not sys.platform.startswith("linux"):
        return Row(compared, None, at_most(goal), note="needs /proc")
    values = [
        _in_a_process("train", name, "gradient") / _in_a_process("train", name, "plain")
        for _ in range(n_runs)
    ]
    return Row(compared, quartiles(values), at_most(goal))


def _in_a_process(*arguments: str) -> float:
    command = [sys.executable, "-m", "benchmarks.speed.memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return float(done.stdout)


def _detector(name: str):
    from skrobust import RCADetector, RobustRealNVPDetector

    common: Any = {
        "hidden_layer_sizes": (128, 128),
        "max_epochs": 1,
        "device": "cpu",
        "random_state": 0,
    }
    if name == "rca":
        return RCADetector(n_networks=1, dropout=0.1, n_passes=0, **common)
    return RobustRealNVPDetector(min_steps=None, **common)


def _print_extra_memory(name: str) -> None:
    """Score many rows and print the growth of this process's peak memory in MiB.

    The peak counts from the start of the process. The rows are drawn in place and later than all
    else, so that it is no larger than the memory in use when scoring begins; if it were, the
    number printed would be too large, never too small.
    """
    import torch

    torch.set_num_threads(1)
    detector = _detector(name).fit(contaminated_rows(1000))
    X = normal_rows(N_ROWS)
    before = _status_mib("VmRSS")
    result = detector.decision_function(X)
    print(_status_mib("VmHWM") - before - result.nbytes / 2**20)


def _print_training_memory(name: str, how: str) -> None:
    """Train for two epochs and print the growth of this process's peak memory in MiB."""
    import torch

    from benchmarks.speed.prl_step import train_once

    torch.set_num_threads(1)
    epoch = train_once(name, how)
    before = _status_mib("VmRSS")
    epoch()
    epoch()
    print(_status_mib("VmHWM") - before)


def _status_mib(key: str) -> float:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    work: dict[str, Callable[..., None]] = {
        "score": _print_extra_memory,
        "train": _print_training_memory,
    }
    work[what](*arguments)
