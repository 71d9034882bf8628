"""Networks: plain ``torch.nn.Module`` classes that know nothing of scikit-learn."""

from skrobust.networks._autoencoder import Autoencoder, VariationalAutoencoder
from skrobust.networks._ensemble import NetworkEnsemble
from skrobust.networks._stacked import StackedLinear, StackedMLP

__all__ = [
    "Autoencoder",
    "NetworkEnsemble",
    "StackedLinear",
    "StackedMLP",
    "VariationalAutoencoder",
]
