"""A limit on the largest singular value of every matrix of a stack."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SpectralConstraint"]

_FIRST_ITERATIONS = 15


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
        left = torch.randn(*weight.shape[:2], 1, device=weight.device)
        self.register_buffer("left", F.normalize(left, dim=1))
        self.register_buffer("right", torch.zeros(len(weight), weight.shape[2], 1))
        self.advance(weight, _FIRST_ITERATIONS)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the constrained matrices."""
        if self.training:
            self.advance(weight, 1)
        sigma = (self.left * torch.bmm(weight, self.right)).sum(dim=1, keepdim=True)
        # A column whose weights are all 0 has sigma 0.
        factor = self.limit / sigma.clamp(min=torch.finfo(sigma.dtype).tiny)
        return weight * (factor if self.exact else factor.clamp(max=1.0))

    @torch.no_grad()
    def advance(self, weight: Tensor, n_iterations: int) -> None:
        """Run power iterations."""
        for _ in range(n_iterations):
            self.right = F.normalize(torch.bmm(weight.mT, self.left), dim=1)
            self.left = F.normalize(torch.bmm(weight, self.right), dim=1)

    @torch.no_grad()
    def settle(self, weight: Tensor) -> None:
        """Replace the followed vectors by the exact ones, for when training is over."""
        left, _, right = torch.linalg.svd(weight, full_matrices=False)
        self.left, self.right = left[:, :, :1].contiguous(), right[:, :1].mT.contiguous()
