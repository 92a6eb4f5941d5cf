"""Numbers in the space of a kernel: its principal components, and maps whose products approximate it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Integer, Real, Space, When
from raytabdl.preprocessing.reduction import SHARE, Reduction, n_components

_MAX_LANDMARKS = 1_000
"""Rows that the kernel is taken between: the decomposition takes the third power of them, each new row a product."""

_GAMMA = Real(2.0**-15, 8.0, default=1.0, log=True)

_KERNEL: Space = {
    "kernel": Choice(("rbf", "poly", "sigmoid", "cosine"), default="rbf"),
    "gamma": replace(_GAMMA, when=When("kernel", ("rbf", "poly", "sigmoid"))),
    "degree": Integer(2, 5, default=3, when=When("kernel", ("poly",))),
    "coef0": Real(-1.0, 1.0, default=0.0, when=When("kernel", ("poly", "sigmoid"))),
}


class _Kernel(Reduction):
    """A kernel on the numbers; ``gamma`` is over the number of columns, so that it means the same for any table."""

    max_fit_rows: ClassVar[int] = _MAX_LANDMARKS

    def __init__(
        self,
        *,
        share: float = 0.5,
        kernel: str = "rbf",
        gamma: float = 1.0,
        degree: int = 3,
        coef0: float = 0.0,
    ) -> None:
        super().__init__()
        self.share = share
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0

    def _arguments(self, n_columns: int) -> dict[str, Any]:
        """Those of the kernel, as scikit-learn names them."""
        arguments = {"gamma": self.gamma / n_columns, "degree": self.degree, "coef0": self.coef0}
        names = {"rbf": ("gamma",), "poly": tuple(arguments), "sigmoid": ("gamma", "coef0"), "cosine": ()}
        return {name: arguments[name] for name in names[self.kernel]}


class KernelPCA(_Kernel):
    """The principal components in the space of a kernel, as many as a share of the columns (Schölkopf et al., 1998)."""

    name: ClassVar[str] = "kernel_pca"
    space: ClassVar[Space] = {"share": SHARE, **_KERNEL}
    arrays: ClassVar[tuple[str, ...]] = ("rows_", "means_", "components_")

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        return _KernelComponents(self.kernel, self._arguments(n_columns), n_components(self.share, n_rows, n_columns))


class _KernelComponents:
    """The kernel components of rows.

    Beside scikit-learn's its state is plain arrays, and it leaves out what has a negative eigenvalue, where
    scikit-learn raises: the sigmoid is a kernel for some of its parameters only.
    """

    def __init__(self, kernel: str, arguments: dict[str, Any], n: int) -> None:
        self.kernel = kernel
        self.arguments = arguments
        self.n = n
        self.rows_: NDArray[np.float64] = np.empty((0, 0))
        self.means_: NDArray[np.float64] = np.empty(0)  # of the kernel between the fitted rows
        self.components_: NDArray[np.float64] = np.empty((0, 0))

    def fit(self, X: NDArray[np.float64]) -> _KernelComponents:
        self.rows_ = X
        kernel = self._between(X)
        self.means_ = kernel.mean(axis=0)
        # All of them: LAPACK may return none of a subset where many are equal, as of rows that are far apart.
        values, vectors = np.linalg.eigh(self._centred(kernel))
        values, vectors = values[: -self.n - 1 : -1], vectors[:, : -self.n - 1 : -1]  # the largest first
        is_there = values > max(1e-10 * values[0], np.finfo(np.float64).tiny)
        self.components_ = vectors[:, is_there] / np.sqrt(values[is_there])
        return self

    def transform(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._centred(self._between(X)) @ self.components_)

    def _between(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        from sklearn.metrics.pairwise import pairwise_kernels

        return np.asarray(pairwise_kernels(X, self.rows_, metric=self.kernel, **self.arguments))

    def _centred(self, kernel: NDArray[np.float64]) -> NDArray[np.float64]:
        """As the rows were, had they no mean in the space of the kernel."""
        return np.asarray(kernel - kernel.mean(axis=1, keepdims=True) - self.means_ + self.means_.mean())


class Nystroem(_Kernel):
    """A map whose products are a kernel on random rows, of a multiple of the columns (Williams, Seeger, 2001)."""

    name: ClassVar[str] = "nystroem"
    space: ClassVar[Space] = {"share": Real(0.25, 4.0, default=0.5, log=True), **_KERNEL}
    arrays: ClassVar[tuple[str, ...]] = ("components_", "normalization_")

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        from sklearn.kernel_approximation import Nystroem as Transformer

        n = n_components(self.share, n_rows, n_columns)
        return Transformer(self.kernel, **self._arguments(n_columns), n_components=n, random_state=seed)


class RandomKitchenSinks(Reduction):
    """Waves of random frequencies whose products approximate the RBF kernel (Rahimi, Recht, 2008)."""

    name: ClassVar[str] = "kitchen_sinks"
    space: ClassVar[Space] = {"share": Real(0.5, 4.0, default=1.0, log=True), "gamma": _GAMMA}
    arrays: ClassVar[tuple[str, ...]] = ("random_weights_", "random_offset_")

    def __init__(self, *, share: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__()
        self.share = share
        self.gamma = gamma

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        from sklearn.kernel_approximation import RBFSampler

        n = n_components(self.share, self.max_fit_rows, n_columns)  # drawn without regard to the rows
        return RBFSampler(gamma=self.gamma / n_columns, n_components=n, random_state=seed)
