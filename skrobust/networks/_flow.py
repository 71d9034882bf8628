"""Normalising flow of affine couplings (RealNVP; Dinh et al., 2017), thesis, chapter 3."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import truncnorm
from torch import Tensor, nn

from skrobust.networks._lipschitz import SpectralConstraint
from skrobust.networks._stacked import LEAST_COLUMNS, StackedLinear

__all__ = ["CouplingFlow", "HeavyTails", "LipschitzBound"]

_SLOPE = 0.01
_LARGEST = 1e15  # squares of it, summed over the features, are finite in float32


class LipschitzBound(NamedTuple):
    """How fast a flow and its parts can change.

    Parameters
    ----------
    scale, shift : Tensor of shape (n_networks, n_couplings)
        For the networks s and t of each coupling: the product of the largest singular values of
        their layers, which bounds their Lipschitz constant.
    map : Tensor of shape (n_networks,)
        Bound on the Lipschitz constant of the map from data to code, for data of a limited norm.
    """

    scale: Any
    shift: Any
    map: Any


class HeavyTails(NamedTuple):
    """A distribution that is normal in its middle and falls as a power beyond.

    Its density is proportional to exp(-z^2 / 2) up to |z| = k, and to |z|^(-k^2) from there
    on, which joins it without a bend.

    Parameters
    ----------
    border : float
        Where the power begins (k), more than 1.
    """

    border: float

    @property
    def log_volume(self) -> float:
        """Logarithm of the integral of exp(-distance)."""
        return math.log(math.sqrt(2 * math.pi) * math.erf(self.border / math.sqrt(2)) + self._tails)

    @property
    def _tails(self) -> float:
        power = self.border**2
        return 2 * math.exp(-power / 2) * self.border / (power - 1)

    def distance(self, z: Tensor) -> Tensor:
        """Half the square of each value, growing as a logarithm beyond the border."""
        size, power = z.abs(), self.border**2
        far = 0.5 * power + power * torch.log(size.clamp_min(self.border) / self.border)
        return torch.where(size <= self.border, 0.5 * z.square(), far)

    def draw(self, rng: np.random.RandomState, size: tuple[int, ...]) -> np.ndarray:
        """Draw independent values."""
        k, share = self.border, self._tails / math.exp(self.log_volume)
        middle = truncnorm.rvs(-k, k, size=size, random_state=rng)
        far = k * (1 - rng.uniform(size=size)) ** (1 / (1 - k**2))
        far = np.copysign(far, rng.uniform(-1, 1, size=size))
        return np.where(rng.uniform(size=size) < share, far, middle)


class CouplingFlow(nn.Module):
    """K normalising flows of affine couplings, stacked.

    A coupling passes one half of the coordinates on and shifts and scales the other by networks s
    and t of the first; s ends in tanh, so that a coupling scales by a factor between 1/e and e.
    In the generative direction x -> x exp(s) + t; the density is computed in the other one.

    Parameters
    ----------
    in_features : int
        Number of coordinates (D). With 1 there is nothing to condition on: the density is a
        normal distribution.
    n_networks : int, default=1
        Number of flows (K).
    n_couplings : int, default=6
        Couplings per flow, with the two masks in turn.
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Hidden widths of each s and t; leaky ReLU of slope 0.01 between the layers.
    mask : {"complement", "official"}, default="complement"
        "complement": the second mask is the complement of the first, every coordinate is
        transformed. "official": the second mask has as many ones as the first; for odd D both
        then hold the middle coordinate, which is never transformed (the published code).
    lipschitz : float, optional
        Limit on the largest singular value of each layer's matrix (k). None: no limit.
    exact : bool, default=False
        Whether matrices are rescaled to the limit instead of capped by it.
    """

    masks: Tensor
    layers: Any

    def __init__(
        self,
        in_features: int,
        *,
        n_networks: int = 1,
        n_couplings: int = 6,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        mask: str = "complement",
        lipschitz: float | None = None,
        exact: bool = False,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.n_networks = n_networks
        self.n_couplings = n_couplings
        self.register_buffer("masks", _masks(in_features, n_couplings, mask))
        sizes = [in_features, *hidden_layer_sizes, in_features]
        n_nets = n_couplings * n_networks * 2  # s and t
        self.layers = nn.ModuleList(StackedLinear(n_nets, a, b) for a, b in pairwise(sizes))
        self.constraints = nn.ModuleList()
        if lipschitz is not None:
            self.constraints.extend(
                SpectralConstraint(layer.weight.detach(), lipschitz, exact=exact)
                for layer in self.layers
            )

    def forward(self, x: Tensor, per_feature: bool = False, base: Any = None) -> Tensor:
        """Log-density of x (n_networks, n_rows, in_features), or what each coordinate adds.

        Codes are standard normal, or distributed as a ``base`` such as ``HeavyTails``.
        """
        z, log_scale = self._encode(x)
        if base is None:
            densities = log_scale - 0.5 * (z.square() + math.log(2 * math.pi))
        else:
            densities = log_scale - base.distance(z) - base.log_volume
        return densities if per_feature else densities.sum(dim=-1)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code of x, and the log-determinant (n_networks, n_rows) of the map's Jacobian."""
        z, log_scale = self._encode(x)
        return z, log_scale.sum(dim=-1)

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Code of x, and the logarithm of the factor that stretched each coordinate."""
        log_scale = torch.zeros_like(x)
        for net, mask in zip(reversed(self._nets()), self.masks.flip(0), strict=True):
            scale, shift = _scale_and_shift(net, mask, x)
            x = (x - shift) * torch.exp(-scale)
            log_scale = log_scale - scale
        return x.clamp(-_LARGEST, _LARGEST), log_scale

    def inverse(self, z: Tensor) -> Tensor:
        """Point whose code is z (n_networks, n_rows, in_features)."""
        for net, mask in zip(self._nets(), self.masks, strict=True):
            scale, shift = _scale_and_shift(net, mask, z)
            z = z * torch.exp(scale) + shift
        return z

    def settle(self) -> None:
        """Make the limit exact, for when training is over."""
        for layer, constraint in self._pairs():
            constraint.settle(layer.weight)

    @torch.no_grad()
    def lipschitz_bound(self, radius: float) -> LipschitzBound:
        """Bounds in evaluation mode, for data whose norm is at most ``radius``.

        The map from data to code is x -> (x - t) exp(-s) on the transformed half. As the thesis
        argues (section 3.4.4), with \\|x\\| at most B and s in [-1, 1] its derivative by the other
        half is at most e Lip(t) + e (B + T) Lip(s), T = \\|t(0)\\| + Lip(t) B being the largest
        norm of t; its derivative by the half itself is at most e, and that of the half that is
        passed on is 1. The bound on a coupling is the sum e + e Lip(t) + e (B + T) Lip(s), its
        output's norm at most e (B + T) + B, and the bound on the map the product over the
        couplings.
        """
        norms = torch.stack([torch.linalg.matrix_norm(w.double(), ord=2) for w in self.weights()])
        product = norms.cpu().prod(dim=0).view(self.n_couplings, self.n_networks, 2)
        scale, shift = product.unbind(dim=-1)
        size = torch.full((self.n_networks,), float(radius), dtype=torch.float64)
        bound, zero = torch.ones_like(size), self.masks.new_zeros(self.n_networks, 1, 1)
        for i, net in reversed(list(enumerate(self._nets()))):
            t = _scale_and_shift(net, self.masks[i], zero.expand(-1, -1, self.in_features))[1]
            largest = t.norm(dim=-1).flatten().double().cpu() + shift[i] * size
            bound = bound * math.e * (1 + shift[i] + (size + largest) * scale[i])
            size = size + math.e * (size + largest)
        return LipschitzBound(scale.mT, shift.mT, bound)

    def _pairs(self) -> Iterable[tuple[Any, Any]]:
        return zip(self.layers, self.constraints, strict=bool(self.constraints))

    def weights(self) -> list[Tensor]:
        """The matrices of each layer, (2 n_couplings n_networks, in, out), constrained."""
        if not self.constraints:
            return [layer.weight for layer in self.layers]
        return [constraint(layer.weight) for layer, constraint in self._pairs()]

    def _nets(self) -> list[list[_Layer]]:
        """The layers of each coupling."""
        parts: list[tuple[Tensor, ...]] = [(layer.weight, layer.bias) for layer in self.layers]
        for i, (layer, constraint) in enumerate(self._pairs()):
            weight, factor = constraint.split(layer.weight)
            parts[i] = (weight, layer.bias, factor)
        # See StackedMLP: in narrow products a row's last bit may depend on its place.
        extra = 0 if self.training else max(0, LEAST_COLUMNS - self.in_features)
        weight, bias, *factor = parts[-1]
        parts[-1] = (F.pad(weight, (0, extra)), F.pad(bias, (0, extra)), *factor)
        n = self.n_couplings
        split = [[part.view(n, -1, *part.shape[1:]).unbind() for part in layer] for layer in parts]
        return list(map(list, zip(*(map(_Layer, *layer) for layer in split), strict=True)))


class _Layer(NamedTuple):
    """One layer of the networks s and t of one coupling, 2 n_networks of them."""

    weight: Tensor
    bias: Tensor
    factor: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self.factor is not None:
            x = x * self.factor  # smaller than the weight, and in the cache
        return torch.baddbmm(self.bias, x, self.weight)


def _scale_and_shift(net: list[_Layer], mask: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run s and t of one coupling on the coordinates that the mask passes on."""
    n_networks, n_rows, n_features = x.shape
    h = (x * mask).unsqueeze(1).expand(-1, 2, -1, -1).reshape(2 * n_networks, n_rows, n_features)
    for layer in net[:-1]:
        h = F.leaky_relu(layer(h), _SLOPE)
    h = net[-1](h)[..., :n_features].view(n_networks, 2, n_rows, n_features) * (1.0 - mask)
    return torch.tanh(h[:, 0]), h[:, 1]


def _masks(n_features: int, n_couplings: int, kind: str) -> Tensor:
    half = n_features // 2
    first = torch.arange(n_features) >= half
    second = ~first if kind == "complement" else torch.arange(n_features) < n_features - half
    return torch.stack([(first, second)[i % 2] for i in range(n_couplings)]).float()
