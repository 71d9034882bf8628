"""What a network knows of its inputs before the last layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skrobust.networks._ensemble import NetworkEnsemble
from skrobust.networks._stacked import StackedLinear

__all__ = ["run_with_embedding"]


def run_with_embedding(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run networks; return what their last linear layers were given, and the outputs.

    Parameters
    ----------
    module : nn.Module
        A :class:`StackedMLP` or :class:`NetworkEnsemble`, or another module that maps rows of all
        networks and registers its output layer last.
    x : Tensor of shape (n_networks, n_rows, ...)
        Inputs.

    Returns
    -------
    embedding : Tensor of shape (n_networks, n_rows, n_features)
        Inputs of the last ``Linear`` or ``StackedLinear``.
    outputs : Tensor of shape (n_networks, n_rows, ...)
        What the module returns.

    Raises
    ------
    ValueError
        If a module has no linear layer.
    """
    if isinstance(module, NetworkEnsemble):
        pairs = [_run(network, rows) for network, rows in zip(module.networks, x, strict=True)]
        embeddings, outputs = zip(*pairs, strict=True)
        return torch.stack(embeddings), torch.stack(outputs)
    return _run(module, x)


def _run(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    linear = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, StackedLinear))]
    if not linear:
        raise ValueError(f"{type(module).__name__} has no linear layer, so nothing comes before it")
    seen: list[Tensor] = []
    watch = linear[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        outputs = module(x)
    finally:
        watch.remove()
    return seen[-1], outputs
