"""Both detectors, small and quick: what holds for one holds for the other."""

from functools import partial

import pytest

from skrobust import RCADetector, RobustRealNVPDetector

QUICK = {"max_epochs": 5, "hidden_layer_sizes": (8,)}
MAKERS = {
    "RCA": partial(RCADetector, n_passes=3, latent_dim=2, **QUICK),
    "RealNVP": partial(RobustRealNVPDetector, n_couplings=2, min_steps=None, **QUICK),
}


@pytest.fixture(params=MAKERS)
def make(request):
    """Return a function of parameters that builds a detector."""
    return MAKERS[request.param]
