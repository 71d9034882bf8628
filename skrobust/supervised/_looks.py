"""What inputs and modules look like, before they are trusted with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["check_module", "kind_of_numbers", "refuse_other_numbers"]

_SOME_ROWS, _ROUNDING = 8, 1e-4
_OTHER_RANGE = 8.0  # times as wide as in training


def check_module(networks: nn.Module, x: Tensor, logits: bool = False) -> None:
    """Run some rows through the networks before training, and say what they cannot be used for.

    Raises TypeError for modules that need integers, and ValueError where ``logits`` are asked for
    and outputs are probabilities, which losses would take for logits.
    """
    rows, count = x[:_SOME_ROWS], int(networks.n_networks)  # type: ignore[arg-type]
    networks.eval()
    try:
        with torch.no_grad():
            outputs = networks(rows.expand(count, *rows.shape))
    except RuntimeError as error:
        if not any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in networks.modules()):
            raise
        raise TypeError(
            "module has an embedding, which needs integers, but inputs reach it as float32: begin "
            f"its forward with x.long(), and pass preprocessing=None ({error})"
        ) from error
    sums = outputs.sum(dim=-1)
    if logits and bool((outputs >= 0).all()) and bool(((sums - 1.0).abs() < _ROUNDING).all()):
        raise ValueError(
            "module's outputs are probabilities, which sum to 1; it must return logits: leave out "
            "the softmax at its end"
        )


def refuse_other_numbers(
    X: np.ndarray, kind: str, seen: tuple[str, float, float], name: str
) -> None:
    """Raise ValueError for pictures of another kind and in another range than training has seen."""
    trained, least, largest = seen
    if kind == trained:
        return
    low, high, width = float(X.min()), float(X.max()), largest - least
    is_wider = max(least - low, high - largest) > _OTHER_RANGE * width
    is_narrower = kind == "real numbers" and (high - low) * _OTHER_RANGE < width
    if is_wider or is_narrower:
        raise ValueError(
            f"X holds {kind} from {low:g} to {high:g}, but {name} was fitted on {trained} from "
            f"{least:g} to {largest:g}: scale both alike, for example X / 255"
        )


def kind_of_numbers(X: Any) -> str:
    """Return "integers" or "real numbers"."""
    if hasattr(X, "iloc"):  # a table, of which it is not asked
        return "real numbers"
    dtype = str(getattr(X, "dtype", "")) or str(np.asarray(X).dtype)
    return "integers" if "int" in dtype else "real numbers"
