"""Random occlusion: how much is hidden, where, by what, and alike for all networks."""

import pytest
import torch
from torch import nn

from skrobust.backdoor import RandomOcclusion
from skrobust.networks import NetworkEnsemble
from skrobust.selection import DropSchedule, Progress, Trim
from skrobust.training import SharedPass, StepState


def hide(x, share, **settings):
    return RandomOcclusion(share, **settings)(None, x, None, None, None)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_every_pixel_of_an_image_is_hidden_as_often(share):
    torch.manual_seed(0)
    x = torch.full((1, 8000, 2, 10, 12), -1.0)
    hidden = hide(x, share) != -1
    assert torch.equal(hidden[:, :, 0], hidden[:, :, 1])  # all channels
    by_place = hidden[0, :, 0].float().mean(dim=0)
    assert abs(by_place.mean() - share) < 0.02
    assert by_place.max() - by_place.min() < 0.05


def test_what_is_hidden_is_one_rectangle_of_one_value():
    torch.manual_seed(0)
    x = torch.full((1, 300, 1, 9, 9), -1.0)
    new = hide(x, 0.25, low=0.2, high=0.4)[0, :, 0]
    values = set()
    for image in new:
        hidden = image != -1
        rows, columns = hidden.any(dim=1), hidden.any(dim=0)
        assert torch.equal(hidden, rows.unsqueeze(1) & columns.unsqueeze(0))
        for line in (rows, columns):  # one stretch, around the border
            assert (line != line.roll(1)).sum() == 2
        (value,) = image[hidden].unique()
        assert 0.2 <= value <= 0.4
        values.add(round(float(value), 5))
    assert len(values) > 250


def test_cells_of_a_table_get_values_of_other_rows():
    torch.manual_seed(0)
    x = torch.arange(4000.0).view(1, 1000, 4).expand(2, -1, -1)
    new = hide(x, 0.3)
    changed = new != x
    assert torch.equal(new[0], new[1])
    assert abs(changed.float().mean() - 0.3) < 0.02
    assert (changed.sum(dim=2) == 4).any() and (changed.sum(dim=2) == 0).any()  # each on its own
    assert torch.equal(new % 4, x % 4)  # of the same column


def test_what_comes_after_gets_the_rows_with_parts_hidden():
    torch.manual_seed(0)
    module = NetworkEnsemble(nn.Linear, in_features=4, out_features=2)
    x, y, ids = torch.full((1, 50, 4), -1.0), torch.arange(50) % 2, torch.arange(50)
    x[0, ::2] = 1.0

    def then(networks, rows, labels, row_ids, state):
        assert (rows != x).any() and networks is module and labels is y and row_ids is ids
        assert state is now
        seen.append(rows)
        return rows + 10

    def loss(output, target):
        return output[..., 0]

    seen = []
    perturb = (RandomOcclusion(0.5), then)
    step = SharedPass(loss=loss, selector=Trim(DropSchedule(0.0)), perturb=perturb)
    now = StepState.begin(step, 1, 50, Progress(0, 1, 0, 1), "cpu")
    value = step(module, x, y, ids, now)
    assert (x.abs() == 1).all()
    torch.testing.assert_close(value, module(seen[0] + 10)[..., 0].mean())
