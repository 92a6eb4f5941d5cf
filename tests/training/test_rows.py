from __future__ import annotations

import pytest
import torch

from raytabdl.training.rows import Passes

COUNTS = torch.tensor([900, 80, 20])
CLASSES = torch.arange(3).repeat_interleave(COUNTS)


@pytest.mark.parametrize(("n_rows", "most"), [(100, 2.5), (250, 2.5), (499, 5.0)])
def test_a_part_of_a_table_has_the_classes_in_their_shares(n_rows, most):
    """An epoch of 499 rows lies on two passes; of 250 drawn at random, 4 rows of a class more or less are usual."""
    passes = Passes(CLASSES, n_rows, seed=0)
    counts = torch.stack([CLASSES[passes.rows(epoch)].bincount(minlength=3) for epoch in range(40)])
    assert (counts - COUNTS * n_rows / 1000).abs().max() < most


def test_every_row_is_seen_equally_often_with_its_class_too():
    seen = torch.cat([Passes(CLASSES, 270, seed=0).rows(epoch) for epoch in range(11)])
    counts = seen.bincount(minlength=1000)
    assert counts.max() - counts.min() == 1


def test_a_rare_class_is_not_seen_at_one_time_in_all_passes():
    passes = Passes(torch.tensor([0] * 99 + [1]), 10, seed=0)
    when = {next(e % 10 for e in range(10 * i, 10 * i + 10) if 99 in passes.rows(e)) for i in range(10)}
    assert len(when) > 3


def test_the_batches_of_an_epoch_have_the_classes_that_chance_gives_them():
    passes = Passes(torch.arange(1000) % 2, 500, seed=0)
    assert len({int((passes.rows(epoch)[:20] % 2).sum()) for epoch in range(20)}) > 4


def test_an_epoch_follows_from_the_seed_and_its_number():
    straight = Passes(CLASSES, 270, seed=0)
    rows = [straight.rows(epoch) for epoch in range(5)]
    assert torch.equal(Passes(CLASSES, 270, seed=0).rows(4), rows[4])
    assert not torch.equal(Passes(CLASSES, 270, seed=1).rows(4), rows[4])
