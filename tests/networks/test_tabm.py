from __future__ import annotations

import pytest
import rtdl_num_embeddings
import tabm as oracle
import torch

from raytabdl.networks import tabm
from raytabdl.networks.tabm import TabM
from raytabdl.training.loop import predict
from raytabdl.training.losses import classification_loss
from raytabdl.training.weights import Weights

CARDINALITIES = (3, 10, 30)  # two are one-hot, one has vectors
NO_CODES = torch.zeros(64, 0, dtype=torch.int64)


def rows(n=64, cardinalities=CARDINALITIES):
    torch.manual_seed(1)
    x_cat = torch.stack([torch.randint(1, c, (n,)) for c in cardinalities], 1)
    return torch.randn(n, 4), x_cat


def network(d_num=4, cardinalities=CARDINALITIES, d_out=3, **settings):
    torch.manual_seed(0)
    net = TabM(d_num, cardinalities, d_out, **{"d_block": 16, "n_bins": 8, "d_embedding": 6} | settings)
    x_num, x_cat = rows()
    net.initialise(x_num[:, :d_num], x_cat[:, : len(cardinalities)])
    return net


def of_package(ours, x_num, cardinalities):
    """The package's network with the same weights, which it is given in another form."""
    embedding = None
    if ours.numbers:
        bins = rtdl_num_embeddings.compute_bins(x_num, n_bins=8)
        embedding = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, 6, activation=False, version="B")
    mini = isinstance(ours.blocks[0], tabm._Shared)
    theirs = oracle.TabM.make(
        n_num_features=4,
        cat_cardinalities=[c - 1 for c in cardinalities],
        d_out=3,
        num_embeddings=embedding,
        n_blocks=len(ours.blocks),
        d_block=16,
        k=ours.k,
        arch_type="tabm-mini" if mini else "tabm",
    ).eval()
    weights = {}
    if ours.numbers:
        weights |= {f"num_module.linear0.{name}": p for name, p in ours.numbers.linear.named_parameters()}
        weights["num_module.linear.weight"] = ours.numbers.weight
    weights["backbone.affine.weight" if mini else "backbone.blocks.0.0.r"] = ours.scale
    for i, block in enumerate(ours.blocks):
        names = {"weight": "weight", "bias": "bias", "scale_in": "r", "scale_out": "s"}
        for name, p in block.named_parameters():
            weights[f"backbone.blocks.{i}.0.{names[name]}"] = p if p.ndim < 3 else p[:, 0]
    weights |= {"output.weight": ours.output_weight, "output.bias": ours.output_bias[:, 0]}
    parameters = dict(theirs.named_parameters())
    assert weights.keys() == parameters.keys()
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(weights[name])
    return theirs


def shaken(net):
    """The network with all weights moved, so that none is at a value where it would have no effect."""
    torch.manual_seed(2)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return net


@pytest.mark.parametrize("variant", ["mini", "tabm"])
@pytest.mark.parametrize("embedding", ["pwl", "none"])
@pytest.mark.parametrize("cardinalities", [(), (3, 10)])
@pytest.mark.parametrize("rows_together", [1, 200, 10_000])
def test_the_outputs_are_those_of_the_package(variant, embedding, cardinalities, rows_together, monkeypatch):
    monkeypatch.setattr(tabm, "_ROWS", rows_together)
    x_num, x_cat = rows()
    x_cat = x_cat[:, : len(cardinalities)]
    ours = shaken(network(4, cardinalities, variant=variant, embedding=embedding, k=5)).eval()
    theirs = of_package(ours, x_num, cardinalities)
    codes = {"x_cat": x_cat - 1} if cardinalities else {}  # it has no level for unseen categories
    torch.testing.assert_close(ours(x_num, x_cat), theirs(x_num, **codes), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("variant", ["mini", "tabm"])
def test_the_gradients_are_those_of_the_package(variant):
    x_num, _ = rows()
    ours = shaken(network(4, (), variant=variant, k=12))
    theirs = of_package(ours, x_num, ()).train()
    theirs.apply(lambda module: setattr(module, "p", 0.0) if isinstance(module, torch.nn.Dropout) else None)
    y = torch.randint(3, (64,))
    classification_loss(ours(x_num, NO_CODES), y).mean().backward()
    classification_loss(theirs(x_num), y).mean().backward()
    first = theirs.backbone.affine.weight if variant == "mini" else theirs.backbone.blocks[0][0].r
    pairs = [(ours.scale, first), (ours.blocks[1].weight, theirs.backbone.blocks[1][0].weight)]
    pairs += [(ours.blocks[0].bias, theirs.backbone.blocks[0][0].bias), (ours.output_weight, theirs.output.weight)]
    pairs += [(ours.numbers.weight, theirs.num_module.linear.weight)]
    for p, q in pairs:
        torch.testing.assert_close(p.grad.view(q.shape), q.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("embedding", ["pwl", "none"])
def test_members_differ_at_first_by_a_scale_that_is_alike_within_a_column(embedding):
    net = network(embedding=embedding, k=64)
    d_columns = ([6] * 4 if embedding == "pwl" else [1] * 4) + [2, 9, 8]
    assert net.categories.d_columns == d_columns[4:]
    scales = [column.unique(dim=1) for column in net.scale.detach().split(d_columns, dim=1)]
    assert all(scale.shape == (64, 1) for scale in scales)
    signs = torch.cat(scales, 1)
    assert (signs.abs() == 1).all().item() is (embedding == "none")
    assert torch.corrcoef(signs.T).fill_diagonal_(0).abs().max() < 0.6


def test_members_of_tabm_have_scales_of_one_and_one_bias_at_first():
    net = network(variant="tabm")
    assert net.blocks[0].scale_in is None
    for block in net.blocks:
        assert (block.scale_out == 1).all()
        assert torch.equal(block.bias, block.bias[:1].expand_as(block.bias))
    assert (net.blocks[1].scale_in == 1).all()


@pytest.mark.parametrize("settings", [{}, {"variant": "tabm"}, {"embedding": "none"}, {"n_blocks": 4, "k": 32}])
@pytest.mark.parametrize(("d_num", "cardinalities"), [(4, ()), (0, CARDINALITIES), (4, CARDINALITIES)])
def test_every_parameter_has_a_gradient_whatever_the_columns(settings, d_num, cardinalities):
    net = network(d_num, cardinalities, **settings)
    x_num, x_cat = rows()
    output = net(x_num[:, :d_num], x_cat[:, : len(cardinalities)])
    assert output.shape == (64, net.k, 3)
    output.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_member_learns_from_its_own_loss_only():
    net = network(variant="tabm")
    net(*rows())[:, 2].square().sum().backward()
    for p in (net.scale, net.blocks[1].scale_out, net.blocks[1].bias, net.output_weight):
        assert (p.grad.flatten(1).abs().sum(1) > 0).nonzero().flatten().tolist() == [2]


def test_biases_do_not_decay_and_weights_and_scales_do():
    net = network(variant="tabm")
    weights = Weights(net, net.factors())
    for segment in weights.segments:
        weights.vector[segment.begin : segment.end] = segment.factors.weight_decay
    still = {name for name, p in net.named_parameters() if not p.any()}
    assert still == {name for name, _ in net.named_parameters() if name.endswith("bias")}


def test_dropout_acts_in_training_and_differs_between_members():
    net = network(variant="mini", dropout=0.5, k=8)
    with torch.no_grad():
        for p in (net.scale, net.output_weight, net.output_bias):
            p.copy_(p[:1].expand_as(p))
    x_num, x_cat = rows()
    assert net(x_num, x_cat).std(1).min() > 0
    assert net.eval()(x_num, x_cat).std(1).max() < 1e-6


@pytest.mark.parametrize("variant", ["mini", "tabm"])
def test_a_row_is_predicted_alike_alone_and_in_a_batch(variant):
    net, (x_num, x_cat) = shaken(network(variant=variant)), rows()
    together = predict(net, x_num, x_cat)
    alone = torch.cat([predict(net, x_num[i : i + 1], x_cat[i : i + 1]) for i in range(64)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    assert predict(net, x_num[:0], x_cat[:0]).shape == (0, net.k, 3)


def test_the_same_seed_is_the_same_network_and_its_state_carries_the_bins():
    first, second = network(), network()
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))
    loaded = TabM(4, CARDINALITIES, 3, d_block=16, n_bins=8, d_embedding=6)
    loaded.load_state_dict(shaken(first).state_dict())
    assert torch.equal(loaded(*rows()), first(*rows()))


def test_many_numbers_go_in_as_they_are():
    assert TabM(101, (), 2).numbers is None


@pytest.mark.parametrize("settings", [{"variant": "packed"}, {"embedding": "plr"}, {"k": 0}, {"n_blocks": 0}])
def test_a_setting_that_there_is_not_is_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        TabM(3, (), 2, **settings)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ValueError, match="numeric column or a level"):
        TabM(0, (1,), 2)
