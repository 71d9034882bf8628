"""K networks of one architecture, stored and run as one batched matrix product.

Inputs and outputs have shape (n_networks, n_rows, n_features). An input that all networks share
is passed as an expanded view, which costs no copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LEAST_COLUMNS", "LinearHead", "StackedLinear", "StackedMLP", "draw_kept", "dropout"]

LEAST_COLUMNS = 16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Set each element to 0 with probability ``p`` and scale the others by 1 / (1 - p).

    torch draws one floating-point number per element, which is most of a small network's training
    time on a CPU; here 16 random bits decide, so that ``p`` is rounded to a multiple of 2**-16, or
    8 bits where ``p`` is a multiple of 2**-8 already. Other devices use torch's own.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training=True)
    kept, scale = draw_kept(x.shape, p)
    return x * kept.to(x.dtype).mul_(scale)


def draw_kept(shape: tuple[int, ...], p: float) -> tuple[Tensor, float]:
    """Draw on the CPU what is kept, integers 0 (with probability ``p``) and 1; 1 / their mean."""
    dtype, n = torch.int8 if 256 * p % 1 == 0 else torch.int16, math.prod(shape)
    words = torch.empty(-(-n * dtype.itemsize // 8), dtype=torch.int64)
    bits = words.random_(-(2**63), None).view(dtype)[:n]
    least, levels = torch.iinfo(bits.dtype).min, 1 << torch.iinfo(bits.dtype).bits
    n_dropped = min(round(p * levels), levels - 1)
    kept = bits.ge_(least + n_dropped)  # 0 or 1 in place: filling a bool tensor is not vectorised
    return kept.view(shape), levels / (levels - n_dropped)


class StackedLinear(nn.Module):
    """One affine layer per network, initialised as ``torch.nn.Linear``.

    Parameters
    ----------
    n_networks, in_features, out_features : int
        Sizes of ``weight`` (note the order: ``torch.nn.Linear.weight`` is the transpose) and of
        ``bias``, (n_networks, 1, out_features).
    """

    def __init__(self, n_networks: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_networks, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(n_networks, 1, out_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases from U(-1/sqrt(in_features), 1/sqrt(in_features))."""
        bound = 1.0 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, in_features) to (n_networks, n_rows, out_features)."""
        return torch.baddbmm(self.bias, x, self.weight)


class _NarrowProduct(torch.autograd.Function):
    """Affine layer with few outputs, for which a CPU's batched products are slow as they come.

    The same numbers up to rounding in a third to a half of the time: the weights are used
    transposed, and so is their gradient.
    """

    @staticmethod
    def forward(ctx: Any, bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        transposed = weight.transpose(1, 2).contiguous()
        return torch.baddbmm(bias, x, transposed.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x = gradient @ weight.transpose(1, 2) if ctx.needs_input_grad[1] else None
        for_weight = (gradient.transpose(1, 2) @ x).transpose(1, 2)
        return gradient.sum(dim=1, keepdim=True), for_x, for_weight


class _NarrowLinear(StackedLinear):
    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", _NarrowProduct.apply(self.bias, x, self.weight))


class StackedMLP(nn.Module):
    """K multi-layer perceptrons with leaky ReLU between the layers.

    Parameters
    ----------
    sizes : sequence of int
        Width of the input, of every hidden layer and of the output.
    n_networks : int, default=1
        Number of networks (K), which share nothing but their shape.
    negative_slope : float, default=0.0
        Slope of the activation for negative inputs; 0 is ReLU.
    dropout : float in [0, 1), default=0.0
        Dropout probability after every activation but the last.
    narrow_output : bool, default=False
        Whether an output layer of fewer than 16 units is computed in the way that is fast for
        it, which rounds differently.
    output : {"linear", "sigmoid"}, default="linear"
        Last activation.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_networks: int = 1,
        negative_slope: float = 0.0,
        dropout: float = 0.0,
        narrow_output: bool = False,
        output: str = "linear",
    ) -> None:
        super().__init__()
        *inner, last = pairwise(sizes)
        is_narrow = narrow_output and sizes[-1] < LEAST_COLUMNS
        last_layer = _NarrowLinear if is_narrow else StackedLinear
        self.layers = nn.ModuleList(StackedLinear(n_networks, a, b) for a, b in inner)
        self.layers.append(last_layer(n_networks, *last))
        self.sizes = list(sizes)
        self.n_networks = n_networks
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.output = output

    @property
    def dropout_sizes(self) -> list[int]:
        """Width of each layer that dropout acts on."""
        return self.sizes[1:-2] if self.dropout else []

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...), flattened, to (n_networks, n_rows, sizes[-1])."""
        x = self.layers[-1](self.embed(x))
        return torch.sigmoid(x) if self.output == "sigmoid" else x

    def embed(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...) to what the last layer is given."""
        x = x.flatten(2)
        *hidden, _ = self.layers  # a slice of a ModuleList builds another one, at every step
        for i, layer in enumerate(hidden):
            x = layer(x)
            x = F.leaky_relu(x, self.negative_slope) if self.negative_slope else F.relu(x)
            if i < len(hidden) - 1:
                x = dropout(x, self.dropout, self.training)
        return x

    @torch.no_grad()
    def embed_rows(self, x: Tensor, batch_size: int) -> Tensor:
        """What the last layer of one network is given for rows (n_rows, ...), batch by batch."""
        return torch.cat([self.embed(part.unsqueeze(0))[0] for part in x.split(batch_size)])

    def draw_passes(self, n_passes: int) -> Tensor | None:
        """Draw which units each stochastic pass keeps, (n_passes, n_networks, n_units), bool.

        One mask serves all rows of a pass, so that a pass is one random sub-network, as the
        thesis words it (section 2.3), and a row's score does not depend on its neighbours. None
        where there is nothing to draw: no pass, or no dropout.
        """
        sizes = self.dropout_sizes
        if n_passes == 0 or not sizes:
            return None
        return torch.rand(n_passes, self.n_networks, sum(sizes)) >= self.dropout

    def sub_networks(self, units: Tensor | None = None) -> list[list]:
        """Weights (in, out) and biases (out,) of each network, without units that dropout removed.

        ``units`` is one pass of :meth:`draw_passes`; None keeps every unit. Dropping a unit and
        scaling the others is the same as leaving out its column here and its row in the next layer,
        which is then scaled: the network becomes smaller instead of being masked.
        """
        layers = cast("list[StackedLinear]", self.layers)
        chains = []
        for k in range(self.n_networks):
            chain = [(one.weight[k].detach(), one.bias[k, 0].detach()) for one in layers]
            kept = () if units is None else units[k].split(self.dropout_sizes)
            for i, mask in enumerate(kept):
                weight, bias = chain[i]
                places = mask.to(weight.device).nonzero().squeeze(1)
                chain[i] = (weight.index_select(1, places), bias[places])
                weight, bias = chain[i + 1]
                chain[i + 1] = (weight.index_select(0, places) / (1.0 - self.dropout), bias)
            chains.append(_widen(chain))
        return chains

    def run_sub_networks(self, chains: list[list], x: Tensor | list[Tensor]) -> Tensor:
        """Run the result of :meth:`sub_networks` on rows (n_rows, ...), or each on its own."""
        own = x if isinstance(x, list) else [x] * len(chains)
        outputs = []
        for chain, rows in zip(chains, own, strict=True):
            h = rows.flatten(1)
            for weight, bias in chain[:-1]:
                h = F.leaky_relu_(torch.addmm(bias, h, weight), self.negative_slope)
            weight, bias = chain[-1]
            output = torch.addmm(bias, h, weight)[:, : self.sizes[-1]]
            outputs.append(torch.sigmoid(output) if self.output == "sigmoid" else output)
        return torch.stack(outputs)


class LinearHead(StackedMLP):
    """A linear layer on what a frozen network sees of rows, scaled; it carries that network.

    Parameters
    ----------
    encoder : nn.Module
        The network, with ``embed``.
    n_inputs, n_outputs : int
        Width of the embedding, and of the outputs.
    scale : float
        Size of the embedding's numbers, which are divided by it before they come here.
    """

    def __init__(self, encoder: nn.Module, n_inputs: int, n_outputs: int, scale: float) -> None:
        super().__init__((n_inputs, n_outputs))
        self.scale = scale
        self.encoder = encoder


def _widen(chain: list) -> list:
    """Pad narrow layers with units that are always 0.

    In products with fewer than 12 columns a CPU's result for a row was seen to depend, in the
    last bit, on the row's place among the others; from 12 columns on it does not.
    """
    for i, (weight, bias) in enumerate(chain):
        extra = max(0, LEAST_COLUMNS - weight.shape[1])
        chain[i] = (F.pad(weight, (0, extra)), F.pad(bias, (0, extra)))
        if extra and i + 1 < len(chain):
            weight, bias = chain[i + 1]
            chain[i + 1] = (F.pad(weight, (0, 0, 0, extra)), bias)
    return chain
