"""What single rows give to the parameters of one layer: a rule for each kind of layer.

A rule takes the layer, its inputs and the gradients at its outputs, rows first (networks, then
rows, for stacked layers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from skrobust.networks import StackedLinear

__all__ = [
    "CHUNK_NUMBERS",
    "Part",
    "Rule",
    "Watch",
    "find_obstacle",
    "layers_of",
    "refuse_batch_statistics",
    "rule_of",
]

CHUNK_NUMBERS = 2**24  # gradients of rows that are held at once where a layer needs them whole


class Part(NamedTuple):
    """What one layer contributes."""

    squares: Tensor  # squared norm of each row's gradient, (n_rows,) or (n_networks, n_rows)
    weighted: Callable[[Tensor, Tensor | None], dict[str, Tensor]]  # gradients by name


Rule = Callable[[Any, Tensor, Tensor], Part]


def rule_of(layer: nn.Module) -> Rule | None:
    """What works out the gradients that rows give to a layer; None if there is no rule for it."""
    return _stacked if isinstance(layer, StackedLinear) else _RULES.get(type(layer))


def _trainable(layer: nn.Module, name: str) -> bool:
    parameter = getattr(layer, name, None)
    return parameter is not None and parameter.requires_grad


def _only_trainable(layer: nn.Module, **gradients: Callable[[], Tensor]) -> dict[str, Tensor]:
    return {name: make() for name, make in gradients.items() if _trainable(layer, name)}


def _squared_norm(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    return torch.linalg.vector_norm(x, dim=dim).square_()


def _linear(layer: nn.Module, x: Tensor, g: Tensor) -> Part:
    x, g = x.flatten(1, -2) if x.ndim > 2 else x, g.flatten(1, -2) if g.ndim > 2 else g
    squares = x.new_zeros(len(x))
    if _trainable(layer, "weight"):
        squares = squares + _product_squares(x, g)
    if _trainable(layer, "bias"):
        squares = squares + _squared_norm(g.sum(dim=1) if g.ndim > 2 else g, -1)

    def weighted(weights: Tensor, rows: Tensor | None) -> dict[str, Tensor]:
        own, given = _weighted_rows(x, g, weights, rows)
        own, given = own.flatten(0, -2), given.flatten(0, -2)
        return _only_trainable(layer, weight=lambda: own.T @ given, bias=lambda: own.sum(dim=0))

    return Part(squares, weighted)


def _product_squares(x: Tensor, g: Tensor) -> Tensor:
    """Squared norms of the products g^T x of each row."""
    if x.ndim == 2:
        return _squared_norm(x, -1) * _squared_norm(g, -1)
    n_positions, size = x.shape[1], x.shape[2] * g.shape[2]
    if 2 * n_positions**2 < size:
        return ((x @ x.mT) * (g @ g.mT)).sum(dim=(1, 2))
    chunks = zip(*(part.split(max(1, CHUNK_NUMBERS // size)) for part in (x, g)), strict=True)
    return torch.cat([_squared_norm(b.mT @ a, (1, 2)) for a, b in chunks])


def _stacked(layer: Any, x: Tensor, g: Tensor) -> Part:
    weight, bias = layer.weight.requires_grad, layer.bias.requires_grad
    squares = torch.linalg.vector_norm(g, dim=-1).square_()
    if weight:
        own = torch.linalg.vector_norm(x, dim=-1).square_()
        squares = squares * (own + float(bias))

    def weighted(weights: Tensor, rows: Tensor | None) -> dict[str, Tensor]:
        own, given = g, x
        if rows is not None:
            network = torch.arange(len(x), device=x.device).unsqueeze(1)
            own, given, weights = g[network, rows], x[network, rows], weights.gather(1, rows)
        own = own * weights.unsqueeze(-1)
        found = {}
        if weight:
            found["weight"] = given.mT @ own
        if bias:
            found["bias"] = own.sum(dim=1, keepdim=True)
        return found

    return Part(squares, weighted)


def _convolution(layer: Any, x: Tensor, g: Tensor) -> Part:
    positions = tuple(range(2, g.ndim))
    padding: Any = layer.padding
    if layer.padding_mode != "zeros" or isinstance(padding, str):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
        padding = (0,) * len(positions)
    weight = layer.weight
    squares = x.new_zeros(len(x))
    make: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {}
    if _trainable(layer, "weight"):
        n_chunk = max(1, CHUNK_NUMBERS // weight.numel())
        found = []
        for start in range(0, len(x), n_chunk):
            part = slice(start, start + n_chunk)
            gradients = _weight_gradients(layer, x[part], g[part], padding)
            found.append(_squared_norm(gradients, 1))
        squares = squares + torch.cat(found)
        if len(gradients) == len(x) and gradients.numel() <= x.numel() + g.numel():
            make["weight"] = partial(_sum_rows, gradients, weight.shape)
        else:
            make["weight"] = partial(_sum_products, layer, x, g, padding)
    if _trainable(layer, "bias"):
        bias_rows = g.sum(dim=positions)
        squares = squares + _squared_norm(bias_rows, 1)
        make["bias"] = partial(_sum_rows, bias_rows, layer.bias.shape)
    return Part(
        squares,
        lambda weights, rows: {name: one(weights, rows) for name, one in make.items()},
    )


def _sum_rows(gradients: Tensor, shape: torch.Size, weights: Tensor, rows: Tensor | None) -> Tensor:
    """Weighted sum of the rows' gradients; the tensors of the layer are not held."""
    return (weights @ gradients.flatten(1)).view(shape)


def _sum_products(
    layer: Any,
    x: Tensor,
    g: Tensor,
    padding: Sequence[int],
    weights: Tensor,
    rows: Tensor | None,
) -> Tensor:
    own, given = _weighted_rows(x, g, weights, rows)
    return _convolution_backward(layer, given, own, padding, layer.weight, layer.groups)


def _weighted_rows(
    x: Tensor, g: Tensor, weights: Tensor, rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients times their weights, and the inputs; only of some rows where they are given."""
    if rows is not None:
        x, g, weights = x[rows], g[rows], weights[rows]
    return g * weights.view(-1, *[1] * (g.ndim - 1)), x


def _weight_gradients(layer: Any, x: Tensor, g: Tensor, padding: Sequence[int]) -> Tensor:
    """Gradient of a convolution's weight by row, (n_rows, n_weights): the rows become groups."""
    n_rows, weight = len(x), layer.weight
    like = weight.new_empty(1).expand(n_rows * weight.shape[0], *weight.shape[1:])
    rows, given = (part.reshape(1, -1, *part.shape[2:]) for part in (x, g))
    groups = n_rows * layer.groups
    return _convolution_backward(layer, rows, given, padding, like, groups).view(n_rows, -1)


def _convolution_backward(
    layer: Any, x: Tensor, g: Tensor, padding: Sequence[int], weight: Tensor, groups: int
) -> Tensor:
    return torch.ops.aten.convolution_backward(
        g,
        x,
        weight,
        None,
        layer.stride,
        padding,
        layer.dilation,
        False,
        [0] * len(padding),
        groups,
        [False, True, False],
    )[1]


def _embedding(layer: Any, x: Tensor, g: Tensor) -> Part:
    n_rows, (n_words, dim) = len(x), layer.weight.shape
    ids, g = x.reshape(n_rows, -1), g.reshape(n_rows, -1, dim)
    if layer.padding_idx is not None:
        g = g * (ids != layer.padding_idx).unsqueeze(-1)
    row = torch.arange(n_rows, device=x.device).unsqueeze(1)
    pairs, place = torch.unique(row * n_words + ids, return_inverse=True)
    sums = g.new_zeros(len(pairs), dim).index_add_(0, place.flatten(), g.flatten(0, 1))
    owner = pairs.div(n_words, rounding_mode="floor")
    squares = g.new_zeros(n_rows).index_add_(0, owner, _squared_norm(sums, 1))

    def weighted(weights: Tensor, rows: Tensor | None) -> dict[str, Tensor]:
        own = g * weights.view(-1, 1, 1)
        zeros = torch.zeros_like(layer.weight)
        return {"weight": zeros.index_add_(0, ids.flatten(), own.flatten(0, 1))}

    return Part(squares, weighted)


def _normalisation(layer: Any, x: Tensor, g: Tensor) -> Part:
    if isinstance(layer, (nn.LayerNorm, nn.RMSNorm)):
        n_own = len(layer.normalized_shape)
        positions = tuple(range(1, x.ndim - n_own))
    else:
        positions = tuple(range(2, x.ndim))
    rows = {}
    if _trainable(layer, "weight"):
        rows["weight"] = g * _normalised(layer, x)
    if _trainable(layer, "bias"):
        rows["bias"] = g
    rows = {name: one.sum(dim=positions) if positions else one for name, one in rows.items()}
    squares = torch.stack([_squared_norm(one.flatten(1), 1) for one in rows.values()]).sum(dim=0)
    shapes = {name: getattr(layer, name).shape for name in rows}
    return Part(
        squares,
        lambda weights, kept: {
            name: _sum_rows(one, shapes[name], weights, kept) for name, one in rows.items()
        },
    )


def _normalised(layer: Any, x: Tensor) -> Tensor:
    if isinstance(layer, nn.LayerNorm):
        return F.layer_norm(x, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer, nn.RMSNorm):
        return F.rms_norm(x, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer, nn.GroupNorm):
        return F.group_norm(x, layer.num_groups, eps=layer.eps)
    own = layer.training or layer.running_mean is None  # an instance norm's own statistics
    if isinstance(layer, _InstanceNorm) and own:
        return F.instance_norm(x, eps=layer.eps)
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, variance = layer.running_mean.view(shape), layer.running_var.view(shape)
    return (x - mean) / (variance + layer.eps).sqrt()


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Modules that own trainable parameters, by name."""
    layers = {}
    for name, layer in network.named_modules():
        for parameter in layer.parameters(recurse=False):
            if parameter.requires_grad:
                layers[name or type(layer).__name__] = layer
    return layers


def refuse_batch_statistics(module: nn.Module) -> None:
    """Raise ValueError if a layer normalises with the statistics of the batch."""
    for name, layer in module.named_modules():
        shares = isinstance(layer, _BatchNorm) and not isinstance(layer, _InstanceNorm)
        if shares and (layer.training or layer.running_mean is None):
            raise ValueError(
                f"layer {name!r} ({type(layer).__name__}) normalises with the statistics of the "
                "batch, so that no row has a gradient of its own; use group, layer or instance "
                "normalisation (such as CNN9(norm='group')), or a selection that needs no "
                "gradients of rows (such as 'loss-gradient')"
            )


def find_obstacle(layers: Sequence[dict[str, nn.Module]], is_stacked: bool) -> str:
    """Return the layer, if there is one, whose rows have no rule; by name, for each network."""
    seen: set[int] = set()
    for own in layers:
        for name, layer in own.items():
            if rule_of(layer) is None or isinstance(layer, StackedLinear) > is_stacked:
                return f"layer {name!r} ({type(layer).__name__})"
            if isinstance(layer, nn.Embedding) and (
                layer.max_norm is not None or layer.scale_grad_by_freq or layer.sparse
            ):
                return f"layer {name!r} (Embedding with max_norm, scaling or sparse gradients)"
            parameters = {id(p) for p in layer.parameters(recurse=False)}
            if seen & parameters:
                return f"layer {name!r}, which shares parameters with another one"
            seen |= parameters
    return ""


class Call(NamedTuple):
    """One call of a layer in the forward pass, with the place of its output in the graph."""

    layer: nn.Module
    x: Tensor
    edge: Any


@dataclass
class Watch:
    """What a forward pass calls, and what arrives there on the way back.

    Parameters
    ----------
    calls : list of Call
        In the order of the calls.
    arrived : list of int
        Places of the calls that a gradient has come to.
    taken : list of (layer, Part), or None
        What they contribute, in the order of arrival; None takes nothing.
    """

    calls: list[Call] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    taken: list[tuple[nn.Module, Part]] | None = None

    def note(self, layer: nn.Module, args: tuple, output: Tensor) -> None:
        """Note a layer's inputs, and wait at its outputs: a forward hook."""
        x = args[0].detach() if args else torch.empty(0)
        output.register_hook(partial(self._arrive, len(self.calls)))
        self.calls.append(Call(layer, x, get_gradient_edge(output)))

    def _arrive(self, i: int, gradient: Tensor) -> None:
        self.arrived.append(i)
        if self.taken is not None:
            layer, x, _ = self.calls[i]
            self.taken.append((layer, cast("Rule", rule_of(layer))(layer, x, gradient)))


_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_RULES: dict[type, Rule] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((*_NORMS, *_BATCH_NORMS, *_INSTANCE_NORMS), _normalisation),
}
