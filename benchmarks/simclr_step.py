"""What random views cost in pre-training: the augmentation as a share of a SimCLR step.

``simclr-step`` times the two views of a batch alone, and one epoch of pre-training on the same
batches, views included.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.report import Row, at_most
from benchmarks.timing import compare
from skrobust.backdoor import ImageAugmentation, TableAugmentation
from skrobust.backdoor._simclr import pretrain
from skrobust.networks import NetworkEnsemble, ResNet32, SmallCNN, StackedMLP

__all__ = ["run"]

BATCH_SIZE = 256


def run(rounds: int) -> Iterator[Row]:
    """Yield the share of the augmentation, for pictures of two sizes and a table."""
    perceptron = StackedMLP((64, 256, 256, 10))
    for name, network, shape, n_batches, augment in (
        ("CNN 1x28x28", NetworkEnsemble(SmallCNN), (1, 28, 28), 4, ImageAugmentation()),
        ("ResNet32 3x32x32", NetworkEnsemble(ResNet32), (3, 32, 32), 1, ImageAugmentation()),
        ("MLP 64-256-256", perceptron, (64,), 16, TableAugmentation()),
    ):
        x = torch.rand(n_batches * BATCH_SIZE, *shape)
        views = partial(_views, x, augment)
        step = partial(
            pretrain,
            network,
            x,
            augment,
            temperature=0.5,
            projection_size=128,
            n_epochs=1,
            batch_size=BATCH_SIZE,
            lr=1e-3,
        )
        ratio = compare(views, step, rounds=rounds)
        yield Row(f"augmentation / SimCLR step, {name}, batch {BATCH_SIZE}", ratio, at_most(0.25))


def _views(x: torch.Tensor, augment) -> None:
    for rows in x.split(BATCH_SIZE):
        torch.cat([augment(rows), augment(rows)])
