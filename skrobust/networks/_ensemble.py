"""K networks of any architecture, run in a loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["NetworkEnsemble"]


class NetworkEnsemble(nn.Module):
    """Run K independent modules as one, where they cannot be stacked.

    Parameters
    ----------
    module : nn.Module or callable
        A class (or other callable) is called ``n_networks`` times. An instance is deep-copied,
        never trained in place; for ``n_networks > 1`` every copy is drawn anew through the
        ``reset_parameters`` of its layers; where one with parameters has none, that is a TypeError,
        as the copies would be equal.
    n_networks : int, default=1
        Number of networks (K).
    **kwargs
        Passed to ``module`` when it is called.

    Attributes
    ----------
    n_outputs : int or None
        Width that the outputs must have; None does not look.
    """

    def __init__(
        self, module: nn.Module | Callable[..., nn.Module], *, n_networks: int = 1, **kwargs: Any
    ) -> None:
        super().__init__()
        self.n_networks = n_networks
        self.n_outputs: int | None = None
        if isinstance(module, nn.Module):
            networks = [copy.deepcopy(module) for _ in range(n_networks)]
            for network in networks if n_networks > 1 else ():
                _draw_anew(network)
        else:
            networks = [module(**kwargs) for _ in range(n_networks)]
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...) to the stacked outputs (n_networks, n_rows, n_outputs)."""
        outputs = [network(rows) for network, rows in zip(self.networks, x, strict=True)]
        if not isinstance(outputs[0], Tensor):
            width = "..." if self.n_outputs is None else self.n_outputs
            raise TypeError(
                f"module must map n_rows inputs to outputs of shape (n_rows, {width}), one tensor, "
                f"not to a {type(outputs[0]).__name__}; wrap it in one that returns the outputs"
            )
        output = torch.stack(outputs)
        if self.n_outputs is not None and output.shape[1:] != (x.shape[1], self.n_outputs):
            raise ValueError(
                f"module must map n_rows inputs to outputs of shape (n_rows, {self.n_outputs}), "
                f"one column per class or target; {x.shape[1]} rows gave {tuple(output.shape[1:])}"
            )
        return output

    def embed(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...) to what each network's last linear layer is given."""
        return torch.stack([_embed(*pair) for pair in zip(self.networks, x, strict=True)])

    @torch.no_grad()
    def embed_rows(self, x: Tensor, batch_size: int) -> Tensor:
        """What the last layer of one network is given for rows (n_rows, ...), batch by batch."""
        return torch.cat([self.embed(part.unsqueeze(0))[0] for part in x.split(batch_size)])


def _embed(network: nn.Module, x: Tensor) -> Tensor:
    """Give what the linear layer that is called last is given."""
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    seen: list[Tensor] = []
    watches = [
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for layer in linear
    ]
    try:
        network(x)
    finally:
        for watch in watches:
            watch.remove()
    if not seen:
        raise ValueError(
            f"{type(network).__name__} calls no linear layer, so nothing comes before it"
        )
    return seen[-1]


def _draw_anew(network: nn.Module) -> None:
    for name, layer in network.named_modules():
        if not any(True for _ in layer.parameters(recurse=False)):
            continue
        if not hasattr(layer, "reset_parameters"):
            raise TypeError(
                f"n_networks > 1 needs networks that differ, but layer {name or 'module'!r} "
                f"({type(layer).__name__}) has no reset_parameters; pass the module's class instead"
            )
        layer.reset_parameters()
