from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from raytabdl.inputs import Error
from raytabdl.training import OBJECTIVES
from raytabdl.training.losses import (
    ClassWeighted,
    LabelSmoothing,
    absolute_loss,
    classification_loss,
    regression_loss,
)


def rows(n_classes=3, k=None):
    torch.manual_seed(0)
    shape = (50, n_classes) if k is None else (50, k, n_classes)
    return torch.randn(shape), torch.randint(n_classes, (50,)) * (torch.rand(50) < 0.4)


def test_each_class_weighs_the_same_in_a_weighted_loss():
    _, y = rows()
    losses = ClassWeighted().loss(y)(torch.zeros(50, 3), y)
    sums = torch.zeros(3).index_add_(0, y, losses)
    torch.testing.assert_close(sums, sums[:1].expand(3))
    assert losses.mean() == pytest.approx(float(torch.log(torch.tensor(3.0))))  # as large as without weights


def test_a_class_without_rows_has_no_part_in_the_weights():
    y = torch.tensor([0, 0, 2])
    losses = ClassWeighted().loss(y)(torch.zeros(3, 3), y)
    torch.testing.assert_close(losses / losses[0], torch.tensor([1.0, 1.0, 2.0]))


def test_classes_of_weighted_rows_weigh_the_same_as_those_of_repeated_rows():
    _, y = rows()
    weights = torch.randint(1, 4, (50,))
    repeated = y.repeat_interleave(weights)
    expected = ClassWeighted().loss(repeated)(torch.zeros(len(repeated), 3), repeated).mean()
    losses = ClassWeighted().loss(y, weights.float())(torch.zeros(50, 3), y) * weights
    torch.testing.assert_close(losses.sum() / weights.sum(), expected)


def test_the_loss_of_k_predictions_is_the_mean_of_theirs():
    outputs, y = rows(k=4)
    expected = torch.stack([F.cross_entropy(outputs[:, i], y, reduction="none") for i in range(4)]).mean(0)
    torch.testing.assert_close(classification_loss(outputs, y), expected)
    values = outputs[..., :1]
    errors = values[..., 0] - y[:, None]
    torch.testing.assert_close(regression_loss(values, y.float()), (errors**2).mean(1))
    torch.testing.assert_close(absolute_loss(values, y.float()), errors.abs().mean(1))


def test_smoothing_mixes_the_class_with_even_odds():
    logits, y = rows()
    even = -logits.log_softmax(1).mean(1)
    torch.testing.assert_close(
        LabelSmoothing(smoothing=0.2).loss(y)(logits, y), 0.8 * classification_loss(logits, y) + 0.2 * even
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_regression_has_the_error_of_its_target_squared_by_default(objective):
    outputs, y = torch.randn(9, 1), torch.randn(9)
    own = objective()
    torch.testing.assert_close(own.loss(y)(outputs, y), (outputs[:, 0] - y) ** 2)
    own.error = Error.LOGARITHMIC  # whose target comes as a logarithm
    torch.testing.assert_close(own.loss(y)(outputs, y), (outputs[:, 0] - y) ** 2)
    own.error = Error.ABSOLUTE
    torch.testing.assert_close(own.loss(y)(outputs, y), (outputs[:, 0] - y).abs())


def test_the_slope_of_an_absolute_error_is_its_sign_however_large_it_is():
    outputs = torch.tensor([[1.0], [2.0], [500.0]], requires_grad=True)
    absolute_loss(outputs, torch.tensor([1.001, 2.0, 1.0])).sum().backward()
    assert outputs.grad.tolist() == [[-1.0], [0.0], [1.0]]
