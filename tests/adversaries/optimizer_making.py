"""Optimizers made of what they do to an array, and the parameters that they are run on."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from adversaries.case import OptimizerCase
from chainrule import Affine, tree

Update: TypeAlias = Callable[[int, Any, Any, Any], Any]
"""`(count, param, grad, moments) -> (param, moments)`, where the first step has the count 0."""


@frozen
class ByArray:
    """An optimizer by hand: its state is the number of steps, and a tuple of trees like the parameters."""

    update: Update
    moments: int = 0
    start: float = 0.0

    def init(self, params: Any) -> Any:
        return 0, tuple(tree.map(self.filled, params) for _ in range(self.moments))

    def filled(self, param: Any) -> Any:
        return np.full_like(param, self.start)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        count, moments = state

        def one(param: Any, grad: Any, *kept: Any) -> Any:
            return self.update(count, param, grad, kept)

        results = tree.zipped(one, params, grads, *moments)
        new = tree.replace(params, [result[0] for result in results])
        kept = tuple(tree.replace(params, [result[1][i] for result in results]) for i in range(self.moments))
        return new, (count + 1, kept)


def drawn(shape: str, dtype: Any = np.float64) -> tuple[Any, Any]:
    """Parameters and gradients as a tree of a named shape."""
    rng = np.random.default_rng(11)

    def array(*sides: int) -> Any:
        return rng.standard_normal(sides).astype(dtype)

    trees: dict[str, Callable[[], Any]] = {
        "array": lambda: array(5, 3),
        "large": lambda: array(131, 67),
        "vector": lambda: array(6),
        "alike": lambda: (array(3, 2), array(3, 2)),
        "tuple": lambda: (array(4, 3), array(3)),
        "record": lambda: Affine(array(4, 3), array(3)),
        "nested": lambda: (Affine(array(4, 3), array(3)), (), (array(2), Affine(array(3, 2), array(2)))),
    }
    return trees[shape](), trees[shape]()


def case(optimizer: Any, shape: str = "record", dtype: Any = np.float64) -> OptimizerCase:
    return OptimizerCase(optimizer, *drawn(shape, dtype))


def by_array(
    update: Update, moments: int = 0, shape: str = "record", dtype: Any = np.float64, start: float = 0.0
) -> OptimizerCase:
    return case(ByArray(update, moments, start), shape, dtype)
