from __future__ import annotations

import pytest
import torch
from torch import nn

from raytabdl.networks import ShapedMLP
from raytabdl.training import AdamW, Adversarial, Augmentation, Constant, precision
from raytabdl.training.loop import Training, TrainingData, predict
from raytabdl.training.losses import classification_loss
from raytabdl.training.precision import product_dtype, training_forward

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("has_it", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_for_gpus_that_have_it(monkeypatch, has_it, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has_it)
    assert product_dtype(GPU) is expected
    assert product_dtype(CPU) is torch.float32


@pytest.fixture
def bfloat16(monkeypatch):
    """The path of a GPU that has bfloat16, on the CPU."""
    monkeypatch.setattr(precision, "product_dtype", lambda device: torch.bfloat16)


def training(n_epochs=40, augmentation=None):
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(8, 1)
    data = TrainingData(x, torch.zeros(32, 0, dtype=torch.int64), (x[:, 0] != x[:, 1]).long())
    return Training(
        ShapedMLP(2, (), 2, max_units=32, use_dropout=False),
        data,
        optimizer=AdamW(lr=0.01),
        schedule=Constant(),
        loss=classification_loss,
        batch_size=16,
        n_epochs=n_epochs,
        rows_per_epoch=32,
        seed=0,
        augmentation=augmentation,
    )


def dtypes_of_products(network):
    """The dtypes that the output layer gives from now on."""
    seen = []
    network.output.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    return seen


@pytest.mark.parametrize("augmentation", [Augmentation(), Adversarial()])
def test_products_are_bfloat16_and_all_that_is_kept_is_float32(bfloat16, augmentation):
    course = training(n_epochs=2, augmentation=augmentation)
    seen, losses = dtypes_of_products(course.network), []
    course.loss = lambda outputs, y: losses.append(outputs.dtype) or classification_loss(outputs, y)
    list(course.epochs())
    assert set(seen) == {torch.bfloat16}
    kept = (*course.network.parameters(), course.weights.vector, course.weights.gradient, course.moments)
    assert {tensor.dtype for tensor in kept} == {torch.float32} == set(losses)
    state = course.state()
    assert {t.dtype for name, t in state.items() if name.startswith("network")} == {torch.float32}


def test_a_prediction_is_float32_whatever_the_training_was(bfloat16):
    course = training(n_epochs=1)
    list(course.epochs())
    seen = dtypes_of_products(course.network)
    expected = course.network.eval()(course.data.x_num, course.data.x_cat)
    assert torch.equal(predict(course.network, course.data.x_num, course.data.x_cat), expected)
    assert set(seen) == {torch.float32}


def test_a_network_learns_a_checkerboard_in_bfloat16(bfloat16):
    course = training()
    plain = course.weights.vector.clone()
    list(course.epochs())
    outputs = predict(course.network, course.data.x_num, course.data.x_cat)
    assert torch.equal(outputs.argmax(1), course.data.y)
    assert not torch.equal(course.weights.vector, plain)


def test_every_step_sees_the_weights_of_the_step_before(bfloat16):
    """Autocast keeps copies of the weights: those of an earlier step would give its outputs again."""
    layer = nn.Linear(1, 1, bias=False)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x_num, x_cat):
            return self.layer(x_num)

    forward = training_forward(Net(), CPU)
    for value in (1.0, 2.0):
        layer.weight.data.fill_(value)
        assert forward(torch.ones(1, 1), torch.empty(1, 0)).item() == value


def test_on_a_cpu_the_network_is_called_as_it_is():
    network = nn.Identity()
    assert training_forward(network, CPU) is network
