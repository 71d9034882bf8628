"""Randomness in one place: drawn from ``random_state``, without a trace on global state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

__all__ = ["contained_seeding", "draw_seed", "forked_rng"]

_CPU = torch.device("cpu")


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed for torch."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def forked_rng(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators on the CPU and on ``device``; restore them on leaving.

    The generators belong to the process: threads that train at the same time share them.
    """
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for cuda_device in devices:
            with torch.cuda.device(cuda_device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def contained_seeding(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed all global generators and restore them: for other libraries' code that uses them."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        with forked_rng(seed, device):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
