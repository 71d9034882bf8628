"""Constants of a step that wait on the device where the step runs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Placed"]


class Placed:
    """Brings arrays to a device once instead of at every step, and is saved without the copies."""

    def _placed(self, name: str, like: Tensor) -> Tensor:
        """Return an attribute as a tensor of the type and the device of another one."""
        copies = self.__dict__.setdefault("_copies", {})
        key = name, like.dtype, like.device
        if key not in copies:
            copies[key] = torch.as_tensor(getattr(self, name)).to(like)
        return copies[key]

    def __getstate__(self) -> dict:
        """Leave out the tensors, so that a model loads on a machine without the device."""
        return {name: value for name, value in self.__dict__.items() if name != "_copies"}
