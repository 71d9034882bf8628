"""NT-Xent against its definition; the statistics of the augmentations; pre-training."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skrobust.backdoor import (
    ImageAugmentation,
    SemiSupervisedBackdoorClassifier,
    TableAugmentation,
)
from skrobust.backdoor._simclr import Contrastive, ContrastiveStep, nt_xent
from skrobust.networks import NetworkEnsemble, SmallCNN, StackedMLP
from skrobust.training import RobustNet, RowDataset


def pretrain(module, x, augment, projection_size=8, temperature=0.5, **settings):
    """What the semi-supervised classifier does with its networks and rows."""
    step = ContrastiveStep(augment, temperature)
    network = partial(Contrastive, lambda: module, x[:2], projection_size)
    net = RobustNet(network, step=step, n_rows=len(x), device="cpu", **settings)
    return net.fit(RowDataset(x)).history[:, "train_loss"]


def slow_nt_xent(first, second, temperature):
    """Equation 1 of SimCLR, view by view."""
    views = np.concatenate([first, second])
    n = len(first)

    def similarity(i, j):
        norms = np.linalg.norm(views[i]) * np.linalg.norm(views[j])
        return float(views[i] @ views[j]) / norms

    total = 0.0
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = sum(math.exp(similarity(i, k) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(similarity(i, partner) / temperature) / others)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_its_definition(temperature):
    rng = np.random.RandomState(0)
    first, second = rng.normal(size=(2, 7, 5)) * 3
    loss = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    assert loss.item() == pytest.approx(slow_nt_xent(first, second, temperature), rel=1e-10)
    close = nt_xent(torch.from_numpy(first), torch.from_numpy(2 * first), temperature)
    assert close < loss


def test_images_keep_shape_and_range_and_every_view_is_another():
    torch.manual_seed(0)
    for channels in (1, 3):
        x = torch.rand(64, channels, 20, 28)
        first, second = (ImageAugmentation()(x) for _ in range(2))
        assert first.shape == x.shape
        assert first.min() >= 0 and first.max() <= 1
        assert ((first - second).abs().flatten(1).amax(dim=1) > 0.01).all()


def test_crops_have_the_areas_and_places_that_are_asked_for():
    """The image holds its own coordinates, so that a view tells which part it shows."""
    torch.manual_seed(0)
    side = torch.linspace(0, 1, 32)
    across = side.expand(4000, 1, 32, 32)
    down = across.transpose(2, 3)
    augment = ImageAugmentation(least_area=0.25, flip=True, jitter=0.0)
    x = torch.cat([across, down], dim=1)
    view = augment(x)
    width = (view[:, 0, 16, -1] - view[:, 0, 16, 0]).abs()
    height = view[:, 1, -1, 16] - view[:, 1, 0, 16]
    area = width * height
    assert area.mean().item() == pytest.approx(0.625, abs=0.06)
    assert area.min() > 0.15
    assert (width / height).min() > 0.7 and (width / height).max() < 1.4
    flipped = view[:, 0, 16, -1] < view[:, 0, 16, 0]
    assert flipped.float().mean().item() == pytest.approx(0.5, abs=0.05)
    centre = view[:, 0].mean(dim=(1, 2))
    assert centre.mean().item() == pytest.approx(0.5, abs=0.02)
    assert centre.std() > 0.05
    still = ImageAugmentation(least_area=1.0, flip=False, jitter=0.0, grey=0.0)
    torch.testing.assert_close(still(x[:8]), x[:8], atol=0.02, rtol=0)


def test_colours_turn_and_a_share_of_the_images_loses_them():
    torch.manual_seed(0)
    x = (0.3 + 0.4 * torch.rand(3000, 3, 1, 1)).expand(-1, -1, 4, 4)
    only_colour = ImageAugmentation(least_area=1.0, flip=False, jitter=0.4, grey=0.25)
    view = only_colour._recolour(x)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close((view * weights).sum(1), (x * weights).sum(1), atol=1e-3, rtol=0)
    spread = view.amax(dim=1) - view.amin(dim=1)
    grey = (spread < 5e-3).float().mean().item()
    assert grey == pytest.approx(0.25, abs=0.03)
    untouched = ImageAugmentation(least_area=1.0, flip=False, jitter=0.0, grey=0.0)
    torch.testing.assert_close(untouched._recolour(x), x, atol=1e-4, rtol=0)


def test_brightness_and_contrast_change_by_the_jitter():
    torch.manual_seed(0)
    x = torch.full((4000, 1, 4, 4), 0.5)
    view = ImageAugmentation(least_area=1.0, flip=False, jitter=0.4)(x)[:, 0, 0, 0]
    assert view.min().item() == pytest.approx(0.3, abs=0.01)
    assert view.max().item() == pytest.approx(0.7, abs=0.01)
    assert view.mean().item() == pytest.approx(0.5, abs=0.01)


def test_table_views_take_a_share_of_cells_from_other_rows_of_the_same_column():
    torch.manual_seed(0)
    x = torch.arange(2000.0 * 6).view(2000, 6)
    view = TableAugmentation(0.3)(x)
    changed = view != x
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(view % 6, x % 6)
    assert changed.float().mean(dim=0).std() < 0.03


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (partial(StackedMLP, (6, 16, 8, 3)), (6,)),
        (partial(NetworkEnsemble, SmallCNN, width=16, image_size=12), (1, 12, 12)),
    ],
    ids=["StackedMLP", "SmallCNN"],
)
def test_pretraining_lowers_the_loss_and_leaves_the_last_layer(network, shape):
    torch.manual_seed(0)
    module = network()
    if len(shape) == 1:
        x, augment = torch.rand(130, *shape), TableAugmentation()
    else:  # rows of noise all look alike to some initial networks
        x = F.interpolate(torch.rand(130, 1, 3, 3), size=shape[1:], mode="bilinear")
        augment = ImageAugmentation(least_area=0.8, jitter=0.1)
    linear = [m for m in module.modules() if hasattr(m, "weight")]
    before = [m.weight.detach().clone() for m in linear]
    settings = {"batch_size": 43, "lr": 3e-3, "optimizer": torch.optim.Adam}
    losses = pretrain(module, x, augment, max_epochs=20, **settings)
    assert len(losses) == 20  # the last batch holds one row
    assert np.mean(losses[-3:]) < losses[0] - 0.1
    torch.testing.assert_close(linear[-1].weight, before[-1])
    assert not torch.equal(linear[0].weight, before[0])


def test_pretraining_says_what_is_wrong():
    x, y = torch.rand(40, 6).numpy(), np.arange(40) % 2
    settings = {"pretrain_epochs": 3, "pretrain_batch_size": 5, "hidden_layer_sizes": (8,)}

    def fit(augment):
        SemiSupervisedBackdoorClassifier(augment=augment, **settings).fit(x, y)

    with pytest.raises(ValueError, match=r"\(5, 6\) gave \(5, 5\)"):
        fit(lambda rows: rows[:, :5])
    with pytest.raises(FloatingPointError, match=r"became nan in epoch 1, .*smaller pretrain_lr"):
        fit(lambda rows: rows * math.nan)
