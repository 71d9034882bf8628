"""A limit on the largest singular value of every matrix of a stack."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["SpectralConstraint"]

_FIRST_ITERATIONS, _LEAST_SIGMA = 15, 1e-12


class SpectralConstraint(nn.Module):
    """Keep the largest singular value of each matrix at most at ``limit`` (or exactly there).

    Singular vectors are followed by one power iteration at each call in training mode (Miyato et
    al., 2018), for all matrices at once; in evaluation mode they stay. The gradient goes through
    the singular value, the vectors are constants, as in ``torch.nn.utils.spectral_norm``.

    Parameters
    ----------
    weight : Tensor of shape (n_matrices, in_features, out_features)
        The matrices as they are at first.
    limit : float
        Largest singular value allowed (the thesis's k).
    exact : bool, default=False
        False divides by ``max(sigma / limit, 1)``, which leaves a smaller matrix as it is; True
        rescales every matrix to ``limit``, as the thesis's equation says.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, limit: float, *, exact: bool = False) -> None:
        super().__init__()
        self.limit = limit
        self.exact = exact
        n, rows, columns = weight.shape
        # Row vectors: a batched product with a column vector is ten times slower on a CPU.
        left = torch.randn(n, 1, rows, device=weight.device)
        self.register_buffer("left", F.normalize(left, dim=2))
        self.register_buffer("right", torch.zeros(n, 1, columns, device=weight.device))
        self.advance(weight, _FIRST_ITERATIONS)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the constrained matrices."""
        weight, factor = self.split(weight)
        return weight * factor

    def split(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return matrices and factors, (n_matrices, 1, 1), whose product is the constrained ones.

        A caller may multiply the inputs of the matrices instead, which are smaller.
        """
        if self.training:
            self.advance(weight, 1)
        with torch.no_grad():
            sigma = (torch.bmm(self.left, weight) * self.right).sum(dim=2, keepdim=True)
            sigma = sigma.clamp(min=_LEAST_SIGMA)  # a matrix of zeros stays one
            factor = self.limit / sigma
            if not self.exact:
                factor = factor.clamp(max=1.0)
            is_scaled = (factor < 1.0) | self.exact
            slope = torch.where(is_scaled, -1.0 / sigma, 0.0)
        return _ThroughSigma.apply(weight, self.left, self.right, slope), factor

    @torch.no_grad()
    def advance(self, weight: Tensor, n_iterations: int) -> None:
        """Run power iterations."""
        for _ in range(n_iterations):
            self.right = F.normalize(torch.bmm(self.left, weight), dim=2)
            left = F.normalize(torch.bmm(self.right, weight.mT), dim=2)
            # A matrix of zeros has no direction; keep one for when it is no longer zero.
            self.left = torch.where(left.any(dim=2, keepdim=True), left, self.left)

    @torch.no_grad()
    def settle(self, weight: Tensor) -> None:
        """Replace the followed vectors by the exact ones, for when training is over.

        Matrices that are not finite are left to the checks of who trained them.
        """
        if not weight.isfinite().all():
            return
        left, _, right = torch.linalg.svd(weight, full_matrices=False)
        self.left, self.right = left[:, :, :1].mT.contiguous(), right[:, :1].contiguous()


class _ThroughSigma(torch.autograd.Function):
    """Give matrices that are multiplied by limit / sigma the gradient through sigma.

    With factor f = limit / sigma(W), the gradient of a loss of f W is f G - f <G, W> / sigma u v',
    u and v being the singular vectors. f G arrives here; the second part is added.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, left: Tensor, right: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(weight, left, right, slope)
        return weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, left, right, slope = ctx.saved_tensors
        inner = (gradient * weight).sum(dim=(1, 2), keepdim=True)
        return gradient.addcmul((slope * inner * left).mT, right), None, None, None
