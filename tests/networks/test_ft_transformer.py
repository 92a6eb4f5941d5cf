from __future__ import annotations

import pytest
import rtdl_revisiting_models as oracle
import torch

from raytabdl.networks.ft_transformer import FTTransformer
from raytabdl.training.loop import predict
from raytabdl.training.weights import Weights

CARDINALITIES = (3, 10, 30)


def rows(n=32):
    torch.manual_seed(1)
    return torch.randn(n, 4), torch.stack([torch.randint(1, c, (n,)) for c in CARDINALITIES], 1)


def network(d_num=4, cardinalities=CARDINALITIES, d_out=3, **settings):
    torch.manual_seed(0)
    net = FTTransformer(d_num, cardinalities, d_out, **{"d_token": 16} | settings)
    with torch.no_grad():  # so that no weight is at a value where it would have no effect
        for name, p in net.named_parameters():
            p.add_(0.2 * torch.randn_like(p) * (not name.startswith("categories.")))
    return net


def of_package(ours, n_blocks):
    """The package's network with the same weights, which has a table for each column."""
    theirs = oracle.FTTransformer(
        n_cont_features=4,
        cat_cardinalities=list(CARDINALITIES),
        d_out=3,
        n_blocks=n_blocks,
        d_block=16,
        attention_n_heads=8,
        attention_dropout=0.15,
        ffn_d_hidden=None,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.05,
        residual_dropout=0.0,
    ).eval()
    weights = {"cls_embedding.weight": ours.row, "cat_embeddings.bias": ours.category_bias}
    weights |= {f"cont_embeddings.{name}": p for name, p in ours.numbers.named_parameters()}
    (table,) = ours.categories.parameters()
    levels = table[1:].split([c - 1 for c in CARDINALITIES])
    weights |= {f"cat_embeddings.embeddings.{j}.weight": torch.cat([table[:1], p]) for j, p in enumerate(levels)}
    for i, block in enumerate(ours.blocks):
        of_block = {
            f"{name}.{part}": p
            for name, layer in (
                ("attention.W_q", block.query),
                ("attention.W_out", block.mix),
                ("ffn_normalization", block.ffn_norm),
                ("ffn.linear1", block.wide),
                ("ffn.linear2", block.narrow),
                *([("attention_normalization", block.attention_norm)] if i else []),
            )
            for part, p in layer.named_parameters()
        }
        for part, p in block.key_value.named_parameters():
            of_block |= {f"attention.W_{name}.{part}": half for name, half in zip("kv", p.chunk(2), strict=True)}
        weights |= {f"backbone.blocks.{i}.{name}": p for name, p in of_block.items()}
    weights |= {f"backbone.output.normalization.{name}": p for name, p in ours.last[0].named_parameters()}
    weights |= {f"backbone.output.linear.{name}": p for name, p in ours.output.named_parameters()}
    theirs.load_state_dict(weights)
    return theirs


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_the_outputs_are_those_of_the_package(n_blocks):
    ours, (x_num, x_cat) = network(n_blocks=n_blocks).eval(), rows()
    x_cat[0] = 0  # levels that training has not seen
    torch.testing.assert_close(ours(x_num, x_cat), of_package(ours, n_blocks)(x_num, x_cat), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("d_num", "cardinalities"), [(4, ()), (0, CARDINALITIES), (4, CARDINALITIES), (4, (1, 3))])
def test_every_parameter_has_a_gradient_whatever_the_columns(d_num, cardinalities):
    net = network(d_num, cardinalities)
    x_num, x_cat = rows()
    x_cat = x_cat[:, : len(cardinalities)] % torch.tensor(cardinalities or [0])[None, : len(cardinalities)]
    net(x_num[:, :d_num], x_cat).square().sum().backward()
    for name, p in net.named_parameters():
        bias_of_keys = name.endswith("key_value.bias")  # softmax does not change when all keys move: zero but for half
        assert p.grad.abs().sum() > (0 if not bias_of_keys else 1e-3), name


@pytest.mark.parametrize("settings", [{"attention_dropout": 0.5, "ffn_dropout": 0}, {"ffn_dropout": 0.5}])
def test_dropout_acts_in_training_and_not_in_evaluation(settings):
    net, (x_num, x_cat) = network(**{"attention_dropout": 0.0} | settings), rows()
    assert not torch.equal(net(x_num, x_cat), net(x_num, x_cat))
    net.eval()
    assert torch.equal(net(x_num, x_cat), net(x_num, x_cat))


def test_tokens_and_vectors_do_not_decay():
    net = network()
    weights = Weights(net, net.factors())
    for segment in weights.segments:
        weights.vector[segment.begin : segment.end] = segment.factors.weight_decay
    decaying = {name for name, p in net.named_parameters() if p.any()}
    assert decaying == {
        name for name, p in net.named_parameters() if p.ndim == 2 and name.startswith(("blocks", "out"))
    }


def test_a_row_is_predicted_alike_alone_and_in_a_batch():
    net, (x_num, x_cat) = network(), rows()
    together = predict(net, x_num, x_cat)
    alone = torch.cat([predict(net, x_num[i : i + 1], x_cat[i : i + 1]) for i in range(32)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    assert predict(net, x_num[:0], x_cat[:0]).shape == (0, 3)


def test_the_same_seed_is_the_same_network_and_its_state_is_all_of_it():
    first, second = network(), network()
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))
    loaded = FTTransformer(4, CARDINALITIES, 3, d_token=16).eval()
    loaded.load_state_dict(first.state_dict())
    assert torch.equal(loaded(*rows()), first.eval()(*rows()))


@pytest.mark.parametrize("settings", [{"d_token": 12}, {"n_blocks": 0}])
def test_a_size_that_there_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        FTTransformer(3, (), 2, **settings)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ValueError, match="numeric column or a level"):
        FTTransformer(0, (1,), 2)
