"""Removing the units of a network that clean rows do not use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from skrobust.networks import NetworkEnsemble, StackedLinear, StackedMLP

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass
class PrunableLayer:
    """A layer whose units can be switched off one by one.

    Parameters
    ----------
    layer : Conv1d, Conv2d, Conv3d, Linear or StackedLinear of one network
        Units are its output channels.
    norm : nn.Module or None
        The normalisation that follows it.
    """

    layer: nn.Module
    norm: nn.Module | None = None

    def mean_activations(self, run: Callable[[], object]) -> Tensor:
        """Mean activation of each unit, after ReLU, over what ``run`` puts through the network."""
        sums: list[Tensor] = []
        counts: list[int] = []

        def watch(_: Any, inputs: Any, output: Tensor) -> None:
            axis = 1 if isinstance(self.layer, _CONVOLUTIONS) else -1
            active = output.detach().relu().movedim(axis, 0).flatten(1)
            sums.append(active.sum(dim=1))
            counts.append(active.shape[1])

        handle = (self.norm or self.layer).register_forward_hook(watch)
        try:
            run()
        finally:
            handle.remove()
        return torch.stack(sums).sum(dim=0) / sum(counts)

    @torch.no_grad()
    def switch_off(self, units: Tensor) -> None:
        """Set weights and biases of these units to 0, those of the normalisation too."""
        if isinstance(self.layer, StackedLinear):
            self.layer.weight[:, :, units] = 0.0
            self.layer.bias[:, :, units] = 0.0
            return
        for layer in (self.layer, self.norm):
            for parameter in () if layer is None else (layer.weight, layer.bias):
                if isinstance(parameter, Tensor):
                    parameter[units] = 0.0


def prunable_layer(module: nn.Module) -> PrunableLayer:
    """Find the layer of one network whose units fine-pruning removes.

    The last convolution, with the normalisation that is registered right after it, or the last
    hidden linear layer where there is none. Raises ValueError if the network has neither.
    """
    network = module.networks[0] if isinstance(module, NetworkEnsemble) else module
    linear = StackedLinear if isinstance(module, StackedMLP) else nn.Linear
    layers = [layer for layer in network.modules() if not list(layer.children())]
    for i in reversed(range(len(layers))):
        if isinstance(layers[i], _CONVOLUTIONS):
            after = layers[i + 1] if i + 1 < len(layers) else None
            follows = isinstance(after, (_NormBase, nn.GroupNorm))
            return PrunableLayer(layers[i], after if follows else None)
    hidden = [layer for layer in layers if isinstance(layer, linear)][:-1]
    if not hidden:
        raise ValueError(
            f"{type(network).__name__} has no convolution and no hidden linear layer to prune"
        )
    return PrunableLayer(hidden[-1])


def prune_until(
    layer: PrunableLayer, order: Tensor, accuracy: Callable[[], float], tolerance: float
) -> tuple[Tensor, list[float]]:
    """Switch units off, in the given order, for as long as the accuracy stays within the tolerance.

    The last unit always stays; the one that breaks the tolerance is switched on again. Returns the
    units that are off, and the accuracy with none off, with the first, and so on.
    """
    layers = [part for part in (layer.layer, layer.norm) if part is not None]
    accuracies = [accuracy()]
    for count in range(1, len(order)):
        before = [{k: v.clone() for k, v in part.state_dict().items()} for part in layers]
        layer.switch_off(order[count - 1 : count])
        accuracies.append(accuracy())
        if accuracies[-1] < accuracies[0] - tolerance - 1e-12:
            for part, state in zip(layers, before, strict=True):
                part.load_state_dict(state)
            return order[: count - 1], accuracies
    return order[:-1], accuracies
