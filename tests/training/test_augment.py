from __future__ import annotations

import pytest
import torch

from raytabdl.training import AUGMENTATIONS
from raytabdl.training.augment import Adversarial, Augmentation, Mixup, RowCutmix, RowCutout

N, D_NUM, D_CAT = 400, 6, 4


def batch():
    """Rows whose values all name them: row i holds i in every column, and i + 1 in its target."""
    rows = torch.arange(N)
    return rows[:, None].expand(-1, D_NUM).float(), rows[:, None].expand(-1, D_CAT), rows.float() + 1


def seen(augmentation, seed=0):
    """What the network is given, and the loss of each row, where a row's loss is its target."""
    torch.manual_seed(seed)
    given = []

    def network(x_num, x_cat):
        given.append((x_num, x_cat))
        return x_num[:, :1]

    losses = augmentation.losses(network, lambda outputs, y: y, *batch())
    return *given[-1], losses


def test_rows_are_as_they_are_without_augmentation():
    x_num, x_cat, losses = seen(Augmentation())
    assert torch.equal(x_num, batch()[0])
    assert torch.equal(x_cat, batch()[1])
    assert torch.equal(losses, batch()[2])


@pytest.mark.parametrize("seed", range(5))
def test_mixup_mixes_numbers_and_losses_by_one_share(seed):
    x_num, _, losses = seen(Mixup(alpha=1.0), seed)
    torch.testing.assert_close(x_num, (losses - 1)[:, None].expand(-1, D_NUM))  # both are share * own + rest * other
    assert not torch.equal(losses, batch()[2])


@pytest.mark.parametrize("seed", range(5))
def test_mixup_takes_each_category_from_one_of_the_two_rows_in_the_same_share(seed):
    x_num, x_cat, _ = seen(Mixup(alpha=1.0), seed)
    own = x_cat == torch.arange(N)[:, None]
    other = torch.where(own, -1, x_cat).max(dim=1).values
    assert ((x_cat == other[:, None]) | own).all()
    known = (other >= 0) & (other != torch.arange(N))
    shares = (x_num[known, 0] - other[known]) / (torch.arange(N)[known] - other[known])
    assert shares.std() < 1e-3
    assert own.float().mean().item() == pytest.approx(shares.mean().item(), abs=0.06)


def test_the_share_of_mixup_is_nearer_to_the_ends_for_a_small_alpha():
    def shares(alpha):
        means = []
        for seed in range(60):
            _, x_cat, _ = seen(Mixup(alpha=alpha), seed)
            means.append((x_cat == torch.arange(N)[:, None]).float().mean())
        means = torch.stack(means)
        return (means.clamp(max=1) * (1 - means)).mean()

    assert shares(0.05) < shares(1.0) / 2


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_takes_whole_columns_from_one_other_row_and_mixes_losses_by_their_number(seed):
    x_num, x_cat, losses = seen(RowCutmix(alpha=1.0, probability=1.0), seed)
    rows = torch.cat([x_num, x_cat.float()], dim=1)
    own = rows == torch.arange(N)[:, None]
    cut = ~own.all(dim=0)
    others = rows[:, cut]
    assert (others == others[:, :1]).all()
    if cut.any():
        expected = (torch.arange(N) * (~cut).sum() + others[:, 0] * cut.sum()) / len(cut) + 1
        torch.testing.assert_close(losses, expected)


@pytest.mark.parametrize("augmentation", [RowCutmix(probability=0.0), RowCutout(probability=0.0)])
def test_nothing_is_cut_at_probability_zero(augmentation):
    x_num, x_cat, losses = seen(augmentation)
    assert torch.equal(x_num, batch()[0])
    assert torch.equal(x_cat, batch()[1])
    assert torch.equal(losses, batch()[2])


def test_cutout_blanks_the_given_share_of_columns_and_keeps_the_losses():
    n_blank = 0
    for seed in range(200):
        x_num, x_cat, losses = seen(RowCutout(share=0.3, probability=1.0), seed)
        columns = torch.cat([x_num, x_cat.float()], dim=1)
        blank = (columns == 0).all(dim=0)
        assert torch.equal(columns[:, ~blank], torch.arange(N)[:, None].expand(-1, int((~blank).sum())).float())
        assert torch.equal(losses, batch()[2])
        n_blank += int(blank.sum())
    assert n_blank / 200 / (D_NUM + D_CAT) == pytest.approx(0.3, abs=0.04)


def test_the_adversary_moves_each_number_by_epsilon_up_the_loss():
    slopes = torch.tensor([1.0, -2.0, 0.5, -0.1, 3.0, 0.0])
    x_num, x_cat, y = batch()
    losses = Adversarial(epsilon=0.1).losses(lambda x, _: x @ slopes, lambda outputs, _: outputs, x_num, x_cat, y)
    torch.testing.assert_close(losses, x_num @ slopes + 0.1 * slopes.abs().sum() / 2)


def test_the_adversary_leaves_no_gradient_on_the_rows():
    x_num, x_cat, y = batch()
    weight = torch.ones(D_NUM, requires_grad=True)
    losses = Adversarial().losses(lambda x, _: x @ weight, lambda outputs, _: outputs, x_num, x_cat, y)
    losses.mean().backward()
    assert weight.grad is not None
    assert not x_num.requires_grad


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_tables_without_numbers_or_without_categories_are_augmented(augmentation):
    x_num, x_cat, y = batch()
    for num, cat in ((x_num[:, :0], x_cat), (x_num, x_cat[:, :0])):
        losses = augmentation().losses(
            lambda num, cat: num.sum(1) + cat.sum(1), lambda outputs, y: outputs - y, num, cat, y
        )
        assert losses.shape == y.shape
        assert losses.isfinite().all()


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_each_of_two_mixed_losses_has_the_weight_of_its_own_row(augmentation, seed):
    """Rows of weight 0 have no part in the loss, in whatever rows they are mixed."""
    x_num, x_cat, y = batch()
    weights = (y > N / 2).float()

    def losses(y, weights):
        torch.manual_seed(seed)
        given = x_num, x_cat, y, weights
        return augmentation().losses(lambda x_num, _: x_num[:, :1], lambda outputs, y: y + 0 * outputs[:, 0], *given)

    weighted = losses(y, weights)
    torch.testing.assert_close(weighted, losses(y * weights, None))
    torch.testing.assert_close(losses(y, torch.ones(N)), losses(y, None))
