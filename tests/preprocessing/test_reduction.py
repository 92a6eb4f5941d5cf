from __future__ import annotations

import numpy as np
import pytest
from sklearn import decomposition, kernel_approximation

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import PCA, FastICA, KernelPCA, Nystroem, RandomKitchenSinks, TruncatedSVD

VALUE = Target(TaskType.REGRESSION, 0)


def table(X):
    return Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())


def drawn(n=200, d=8, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.laplace(size=(n, d)) @ np.random.default_rng(9).normal(size=(d, d))).astype(np.float32)


def fitted(step, X):
    return step.fit(table(X), np.zeros(len(X)), VALUE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("step", "oracle"),
    [
        (TruncatedSVD(share=0.5), lambda seed: decomposition.TruncatedSVD(4, random_state=seed)),
        (PCA(keep_variance=0.8), lambda seed: decomposition.PCA(0.8)),
        (PCA(keep_variance=0.8, whiten=True), lambda seed: decomposition.PCA(0.8, whiten=True)),
        (FastICA(share=0.5), lambda seed: decomposition.FastICA(4, random_state=seed, max_iter=100)),
        (KernelPCA(share=0.5, gamma=2.0), lambda seed: decomposition.KernelPCA(4, kernel="rbf", gamma=2 / 8)),
        (
            KernelPCA(kernel="poly", degree=2, gamma=0.5, coef0=1.0),
            lambda seed: decomposition.KernelPCA(4, kernel="poly", degree=2, gamma=0.5 / 8, coef0=1.0),
        ),
        (
            Nystroem(share=2.0, gamma=2.0),
            lambda seed: kernel_approximation.Nystroem(n_components=16, gamma=2 / 8, random_state=seed),
        ),
        (
            RandomKitchenSinks(share=2.0, gamma=2.0),
            lambda seed: kernel_approximation.RBFSampler(n_components=16, gamma=2 / 8, random_state=seed),
        ),
    ],
)
def test_components_are_those_of_scikit_learn_up_to_one_centre_and_factor(step, oracle):
    X = drawn()
    outputs = fitted(step, X).transform(table(drawn(seed=1))).numeric
    transformer = oracle(int(step.size_[2])).fit(X.astype(np.float64))
    known, new = (transformer.transform(rows.astype(np.float64)) for rows in (X, drawn(seed=1)))
    expected = (new - known.mean(axis=0)) / np.sqrt(known.var(axis=0).mean())
    if isinstance(step, KernelPCA):  # the sign of an eigenvector is a matter of taste
        expected *= np.sign(expected[0] * outputs[0])
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@pytest.mark.parametrize("step", [TruncatedSVD(), PCA(), FastICA(), KernelPCA(), Nystroem(), RandomKitchenSinks()])
def test_what_comes_out_is_centred_with_a_mean_variance_of_one(step):
    outputs = fitted(step, 100 * drawn()).transform(table(100 * drawn())).numeric
    assert outputs.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert outputs.var(axis=0).mean() == pytest.approx(1, rel=1e-3)


def test_components_are_a_share_of_the_columns_and_no_more_than_the_rows():
    for share, n in ((0.1, 1), (0.5, 4), (0.9, 7)):
        assert fitted(TruncatedSVD(share=share), drawn()).transform(table(drawn())).numeric.shape[1] == n
    for step in (TruncatedSVD(share=0.9), FastICA(share=0.9), KernelPCA(share=0.9), Nystroem(share=4.0)):
        assert fitted(step, drawn(n=5)).transform(table(drawn())).numeric.shape[1] <= 5


def test_independent_sources_are_found_in_their_mixtures():
    rng = np.random.default_rng(0)
    sources = rng.uniform(-1, 1, (1000, 2)) * [1, 2]
    mixtures = sources @ np.array([[1.0, 0.6, 0.3], [0.4, 1.0, -0.7]])
    found = fitted(FastICA(share=0.67), mixtures).transform(table(mixtures)).numeric
    correlations = np.abs(np.corrcoef(found.T, sources.T)[:2, 2:])
    assert np.sort(correlations.max(axis=0)) == pytest.approx(1, abs=0.02)


def test_independent_components_are_no_more_than_the_rank():
    X = drawn(d=2)
    twice = np.concatenate([X, X, X @ np.ones((2, 4), np.float32)], axis=1)
    assert fitted(FastICA(share=0.9), twice).transform(table(twice)).numeric.shape == (200, 2)


def test_the_products_of_kitchen_sinks_approximate_the_kernel():
    X = np.random.default_rng(0).normal(size=(50, 200)).astype(np.float32)
    outcome = fitted(RandomKitchenSinks(share=4.0, gamma=1.0), X)
    waves = outcome.transformer.transform(X.astype(np.float64))
    distances = np.square(X[:, None] - X[None]).sum(axis=2)
    assert waves @ waves.T == pytest.approx(np.exp(-distances / 200), abs=0.25)


def test_a_sigmoid_that_is_no_kernel_gives_the_components_that_there_are():
    outputs = fitted(KernelPCA(share=0.9, kernel="sigmoid", gamma=8.0, coef0=-1.0), drawn(n=8)).transform(
        table(drawn(seed=1))
    )
    assert np.isfinite(outputs.numeric).all() and 1 <= outputs.numeric.shape[1] <= 7


@pytest.mark.parametrize("step", [PCA(), FastICA(), KernelPCA(), Nystroem()])
def test_one_column_that_varies_is_left_as_it_is(step):
    X = np.column_stack([np.arange(20), np.full(20, 3)])
    assert fitted(step, X).transform(table(X)).numeric.tolist() == X.tolist()
