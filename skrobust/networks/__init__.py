"""Networks: plain ``torch.nn.Module`` classes that know nothing of scikit-learn."""

from skrobust.networks._autoencoder import Autoencoder, VariationalAutoencoder
from skrobust.networks._convolutional import CNN9, ResNet32, SmallCNN
from skrobust.networks._ensemble import NetworkEnsemble
from skrobust.networks._flow import CouplingFlow, LipschitzBound
from skrobust.networks._lipschitz import SpectralConstraint
from skrobust.networks._stacked import LinearHead, StackedLinear, StackedMLP
from skrobust.networks._tabular import TabularMLP

__all__ = [
    "CNN9",
    "Autoencoder",
    "CouplingFlow",
    "LinearHead",
    "LipschitzBound",
    "NetworkEnsemble",
    "ResNet32",
    "SmallCNN",
    "SpectralConstraint",
    "StackedLinear",
    "StackedMLP",
    "TabularMLP",
    "VariationalAutoencoder",
]
