"""What random views cost in pre-training: the augmentation as a share of a SimCLR step.

``simclr-step`` times the two views of a batch alone, and one epoch of pre-training on the same
batches, views included, written in plain torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust.backdoor import ImageAugmentation, TableAugmentation
from skrobust.networks import NetworkEnsemble, ResNet32, SmallCNN, StackedMLP

__all__ = ["run"]

BATCH_SIZE, N_PROJECTED, TEMPERATURE = 256, 128, 0.5


def run(rounds: int) -> Iterator[Row]:
    """Yield the share of the augmentation, for pictures of two sizes and a table."""
    perceptron = StackedMLP((64, 256, 256, 10))
    for name, network, shape, n_batches, augment in (
        ("CNN 1x28x28", NetworkEnsemble(SmallCNN), (1, 28, 28), 4, ImageAugmentation()),
        ("ResNet32 3x32x32", NetworkEnsemble(ResNet32), (3, 32, 32), 1, ImageAugmentation()),
        ("MLP 64-256-256", perceptron, (64,), 16, TableAugmentation()),
    ):
        x = torch.rand(n_batches * BATCH_SIZE, *shape)
        ratio = compare(
            partial(_make_views, x, augment), partial(_pretrain, network, x, augment), rounds=rounds
        )
        yield Row(f"augmentation / SimCLR step, {name}, batch {BATCH_SIZE}", ratio, at_most(0.25))


def _make_views(x: Tensor, augment) -> None:
    for rows in x.split(BATCH_SIZE):
        torch.cat([augment(rows), augment(rows)])


def _pretrain(network: StackedMLP | NetworkEnsemble, x: Tensor, augment) -> None:
    """One epoch of SimCLR: the two views of a row, behind a perceptron, shall look alike."""
    network.train()
    width = network.embed(x[:2].unsqueeze(0)).shape[-1]
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, N_PROJECTED))
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=1e-3)
    for rows in x[torch.randperm(len(x))].split(BATCH_SIZE):
        views = torch.cat([augment(rows), augment(rows)])
        optimizer.zero_grad()
        embedded = network.embed(views.unsqueeze(0))[0]
        projected = F.normalize(head(embedded), dim=1)
        similarity = (projected @ projected.T / TEMPERATURE).fill_diagonal_(-torch.inf)
        partners = torch.arange(len(views)).roll(len(rows))
        F.cross_entropy(similarity, partners).backward()
        optimizer.step()
