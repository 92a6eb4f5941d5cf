from __future__ import annotations

import pytest
import torch

from raytabdl.networks.embeddings import ColumnEmbedding


def no_numbers(n):
    return torch.zeros(n, 0)


def test_columns_with_few_levels_are_one_hot_beside_the_numeric_ones():
    embedding = ColumnEmbedding(1, (3, 5))
    x = embedding(torch.tensor([[0.5], [-2.0]]), torch.tensor([[1, 4], [2, 1]]))
    assert x.tolist() == [[0.5, 1, 0, 0, 0, 0, 1], [-2.0, 0, 1, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("n_levels", "d"), [(1, 1), (4, 4), (5, 4), (16, 4), (17, 8), (64, 8), (65, 16), (256, 16), (100_000, 16)]
)
def test_the_size_follows_the_number_of_levels(n_levels, d):
    assert ColumnEmbedding(0, (n_levels + 1,)).d_out == d


@pytest.mark.parametrize(("factor", "d"), [(0.1, 1), (0.25, 2), (1.0, 8), (2.5, 20)])
def test_a_factor_scales_the_size(factor, d):
    assert ColumnEmbedding(0, (21,), embedding_factor=factor).d_out == d


@pytest.mark.parametrize(("max_one_hot", "d_out"), [(1, 4 + 8), (2, 2 + 8), (19, 2 + 8), (20, 2 + 20)])
def test_columns_with_more_levels_than_the_bound_have_vectors(max_one_hot, d_out):
    assert ColumnEmbedding(0, (3, 21), max_one_hot=max_one_hot).d_out == d_out


def test_levels_of_different_columns_do_not_share_a_vector():
    embedding = ColumnEmbedding(0, (11, 13, 3, 31))
    x_cat = torch.tensor([[j, k, 1, 1] for j in range(11) for k in range(13)])
    assert len(embedding(no_numbers(143), x_cat).unique(dim=0)) == 143


def test_a_column_contributes_to_its_own_values_only():
    embedding = ColumnEmbedding(2, (11, 3, 13, 31))
    x_num, x_cat = torch.randn(1, 2), torch.tensor([[4, 1, 4, 4]])
    x = embedding(x_num, x_cat)
    for j, d in enumerate((4, 2, 4, 8)):
        changed = x_cat.clone()
        changed[0, j] += 1
        assert (embedding(x_num, changed) != x).sum() == d


def test_the_unseen_level_is_zero_and_stays_zero_in_training():
    embedding = ColumnEmbedding(0, (3, 20, 100))
    optimizer = torch.optim.AdamW(embedding.parameters(), lr=0.1, weight_decay=0.1)
    seen = torch.tensor([[1, 3, 5], [2, 19, 99], [0, 0, 0]])
    before = embedding(no_numbers(3), seen).detach()
    for _ in range(3):
        optimizer.zero_grad()
        (embedding(no_numbers(3), seen) - 1).square().sum().backward()
        optimizer.step()
    after = embedding(no_numbers(3), seen)
    assert not torch.equal(after[:2, 2:], before[:2, 2:])
    assert after[2].count_nonzero() == 0


def test_a_table_without_categories_passes_through():
    x_num = torch.randn(3, 2)
    assert ColumnEmbedding(2, ())(x_num, torch.zeros(3, 0, dtype=torch.int64)) is x_num


def test_a_column_whose_levels_are_all_unseen_has_no_values():
    assert ColumnEmbedding(1, (1, 3)).d_out == 3


@pytest.mark.parametrize("cardinalities", [(), (1,)])
def test_a_table_with_nothing_to_learn_from_is_refused(cardinalities):
    with pytest.raises(ValueError, match="numeric column or a level"):
        ColumnEmbedding(0, cardinalities)
