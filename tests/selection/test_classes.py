"""Ranking that leaves out how common labels are: which strength is chosen, and what it does."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score

from skrobust import PRLClassifier
from skrobust.selection import (
    DropSchedule,
    PriorTrim,
    Progress,
    crossentropy_gradient_norm,
    leaving_ratio,
)

GIVEN = torch.tensor([0.8, 0.2])


def test_ratio_by_hand():
    counts = torch.tensor([[890.0, 100.0], [150.0, 240.0]])  # besides ten right rows of each
    assert leaving_ratio(counts, GIVEN) == pytest.approx((150 / 400 + 0.05) / (100 / 1000 + 0.05))
    assert leaving_ratio(counts, torch.tensor([0.5, 0.5])) == 1.0
    # of three classes the two that are rarer than the average count alike
    three = torch.diag(torch.tensor([90.0, 40.0, 40.0]))
    three[1, 0], three[2, 1], three[0, 2] = 50.0, 150.0, 10.0
    given = torch.tensor([0.6, 0.2, 0.2])
    expected = ((50 / 100 + 150 / 200) / 2 + 0.05) / (10 / 110 + 0.05)
    assert leaving_ratio(three, given) == pytest.approx(expected)


def chosen(leaving, n_rows=400):
    """The name that is chosen where so many rows of each class carry the other label."""
    rng = np.random.RandomState(0)
    selector = PriorTrim(DropSchedule(0.2, warmup=1))
    for step in range(20):
        truth = (rng.uniform(size=n_rows) < 0.3).astype(int)
        moved = rng.uniform(size=n_rows) < np.array(leaving)[truth]
        y = torch.from_numpy(np.where(moved, 1 - truth, truth))
        logits = 4.0 * torch.eye(2)[torch.from_numpy(truth)].unsqueeze(0)
        scores = selector.rescore(crossentropy_gradient_norm(logits, y), logits, y)
        progress = Progress(step // 10, 2, step, 20)
        selector(scores, y, torch.arange(n_rows), progress)
    return selector.name


def test_which_ranking_is_chosen():
    assert chosen((0.0, 0.4)) == "prior-adjusted"  # positives recorded as negatives
    assert chosen((0.15, 0.45)) == "prior-adjusted"
    assert chosen((0.2, 0.2)) == chosen((0.0, 0.0)) == "mixture"
    assert chosen((0.2, 0.0)) == "loss-gradient"


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_scores_leave_out_so_much_of_the_prior(strength):
    """Of rows that nothing is known of, those of the rare label have the larger gradient."""
    selector = PriorTrim(DropSchedule(0.2), strength=strength, is_open=False)
    selector.given, selector.is_over = 1000 * GIVEN, True
    logits, y = GIVEN.log().expand(1, 2, 2), torch.tensor([0, 1])
    frequent, rare = selector.rescore(crossentropy_gradient_norm(logits, y), logits, y)[0].tolist()
    expected = {0.0: 2**0.5 * 0.8, 0.5: 2**0.5 * 2 / 3, 1.0: 2**0.5 * 0.5}[strength]
    assert rare == pytest.approx(expected, abs=1e-6)
    assert (rare > frequent + 1e-6) == (strength < 1)


def test_some_rows_of_each_label_are_always_kept():
    rng = np.random.RandomState(0)
    y = torch.from_numpy((np.arange(100) % 10 == 0).astype(int))
    scores = torch.from_numpy(rng.uniform(size=(2, 100))) + y  # the rare label fits worst
    selector = PriorTrim(DropSchedule(0.3), strength=0.0, is_open=False)
    logits = torch.zeros(2, 100, 2)
    scores = selector.rescore(scores, logits, y)
    kept = selector(scores, y, torch.arange(100), Progress(1, 2, 1, 2)).mask(100)
    assert kept[:, y == 1].sum(dim=1).tolist() == [2, 2]
    for network in range(2):
        best = scores[network][y == 1].sort().values[:2]
        assert set(scores[network][kept[network] & (y == 1)].tolist()) == set(best.tolist())
        lowest = scores[network].sort().indices[:70]
        assert kept[network, lowest].all()


def test_positives_that_are_recorded_as_negatives():
    """What is dropped are rows given as negative; the plain ranking drops the positives."""
    X, truth = make_classification(
        1600, 10, n_informative=6, weights=[0.7], class_sep=0.7, random_state=0
    )
    rng = np.random.RandomState(0)
    y = np.where((truth == 1) & (rng.uniform(size=1600) < 0.4), 0, truth)
    rate = float((y != truth)[:1000].mean())
    found = {}
    for selection in ("auto", "loss-gradient"):
        model = PRLClassifier(corruption_rate=rate, selection=selection, random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X[:1000], y[:1000])
        told = [str(w.message) for w in caught if "rows that are not trusted are" in str(w.message)]
        assert len(told) == (selection == "loss-gradient")
        dropped = ~model.inlier_mask_
        right = balanced_accuracy_score(truth[1000:], model.predict(X[1000:]))
        found[selection] = model.selection_, y[:1000][dropped].mean(), right
    assert found["auto"][0] == "prior-adjusted"
    assert found["auto"][1] < found["loss-gradient"][1] - 0.2
    assert found["auto"][2] > found["loss-gradient"][2] + 0.03


def test_told_to_leave_out_the_prior_it_does():
    """The labels' shares are counted in training, though nothing is decided."""
    y = torch.from_numpy((np.arange(100) % 10 == 0).astype(int))
    selector = PriorTrim(DropSchedule(0.2), strength=1.0, is_open=False)
    logits = torch.randn(1, 100, 2)
    plain = crossentropy_gradient_norm(logits, y)
    for epoch in range(2):
        changed = selector.rescore(plain, logits, y)
        selector(changed, y, torch.arange(100), Progress(epoch, 2, epoch, 2))
    shares = selector.given / selector.given.sum()
    torch.testing.assert_close(shares, torch.tensor([0.9, 0.1]), atol=0.01, rtol=0)
    expected = crossentropy_gradient_norm(logits - shares.log(), y)
    torch.testing.assert_close(changed, expected)
    assert not torch.allclose(changed, plain)
    selector.is_over = True  # after training nothing is counted any more
    before = selector.given.clone()
    assert torch.equal(selector.rescore(plain, logits, y), selector.rescore(plain, logits, y))
    assert torch.equal(selector.given, before)


@pytest.mark.parametrize("warmup", [0, 0.0])
def test_nothing_is_decided_before_an_epoch_is_counted(warmup):
    selector = PriorTrim(DropSchedule(0.2, warmup=warmup))
    y = torch.tensor([0, 0, 0, 1])
    logits = 4.0 * torch.eye(2)[torch.tensor([0, 0, 1, 1])].unsqueeze(0)
    for step in range(4):
        scores = selector.rescore(crossentropy_gradient_norm(logits, y), logits, y)
        selector(scores, y, torch.arange(4), Progress(step // 2, 2, step, 4))
        assert selector.is_over == (step >= 2)


@pytest.mark.parametrize("more", [{"clip": "row"}, {"reforward": True}, {}])
def test_every_step_ranks_by_what_was_asked_for(more):
    X, y = make_classification(400, 6, weights=[0.85], class_sep=0.5, random_state=0)
    short = {"corruption_rate": 0.2, "max_epochs": 15, "warmup": 3, "random_state": 0, **more}
    found = [
        PRLClassifier(selection=selection, **short).fit(X, y).predict_proba(X)
        for selection in ("prior-adjusted", "auto", "loss-gradient")
    ]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[first] - found[second]).max() > 1e-5
