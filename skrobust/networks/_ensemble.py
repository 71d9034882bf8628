"""K networks of any architecture, run in a loop."""

from __future__ import annotations

import copy
from collections.abc import Callable

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
        ``reset_parameters`` of its layers.
    n_networks : int, default=1
        Number of networks (K).
    **kwargs
        Passed to ``module`` when it is called.

    Raises
    ------
    TypeError
        If an instance is to be copied more than once and one of its layers has parameters but no
        ``reset_parameters``: the copies would be equal.
    """

    def __init__(
        self, module: nn.Module | Callable[..., nn.Module], *, n_networks: int = 1, **kwargs
    ) -> None:
        super().__init__()
        self.n_networks = n_networks
        if isinstance(module, nn.Module):
            networks = [copy.deepcopy(module) for _ in range(n_networks)]
            if n_networks > 1:
                for network in networks:
                    _draw_anew(network)
        else:
            networks = [module(**kwargs) for _ in range(n_networks)]
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...) to the stacked outputs (n_networks, n_rows, ...)."""
        return torch.stack([network(rows) for network, rows in zip(self.networks, x, strict=True)])


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
