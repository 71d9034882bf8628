"""SEVER's score against the singular value decomposition of gradients that are built."""

import pytest
import torch

from benchmarks.thesis._sever import sever_scores


@pytest.mark.parametrize("n_outputs", [1, 4])
def test_scores_equal_those_of_the_whole_matrix(n_outputs):
    torch.manual_seed(0)
    h, g = torch.randn(200, 6).double(), torch.randn(200, n_outputs).double()
    g[:20] += 2 * h[:20, :1]  # a direction of its own
    rows = torch.einsum("nq,np->nqp", g, torch.cat([h, torch.ones(200, 1)], dim=1)).flatten(1)
    rows = rows - rows.mean(dim=0)
    _, _, directions = torch.linalg.svd(rows, full_matrices=False)
    expected = (rows @ directions[0]).square()
    found = sever_scores(h, g, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2 * expected.max().item())
    again = sever_scores(h, g, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, again, rtol=0, atol=0)


def test_rows_that_pull_together_score_highest():
    torch.manual_seed(0)
    h, g = torch.rand(300, 5), 0.1 * torch.randn(300, 3)
    g[:30, 1] += 3
    scores = sever_scores(h, g, torch.Generator().manual_seed(0))
    assert set(scores.argsort(descending=True)[:30].tolist()) == set(range(30))


def test_equal_rows_have_no_direction():
    scores = sever_scores(torch.ones(5, 2), torch.ones(5, 1), torch.Generator().manual_seed(0))
    assert scores.max() < 1e-6
