"""The rows of a table with their targets and weights, and those of them that are held out."""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule.interop.sklearn._scikit_learn import model_selection
from chainrule.losses.weighted import Weighted


@frozen(eq=False)
class Rows:
    """Rows to train on, or to measure on. All have the same weight if `weights` is None."""

    x: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[Any] | None

    @classmethod
    def that_count(cls, owner: str, x: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> "Rows":
        """The rows whose weight is not 0, with weights in the dtype of x of which the largest is 1."""
        if weights is None:
            return cls(x, targets, None)
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            row = int(wrong.argmax())
            what = "weights of rows, with those of their classes, must be finite and >= 0"
            raise ValueError(f"{owner}: {what}, got {weights[row]:g} at row {row}")
        most = weights.max()
        if most == 0:
            raise ValueError(f"{owner}: no row counts, all weights are 0")
        shares = (weights / most).astype(x.dtype)
        counts = shares > 0
        if not counts.all():
            x, targets, shares = x[counts], targets[counts], shares[counts]
        return cls(x, targets, None if (shares == 1).all() else shares)

    def parted(self, fraction: float, random_state: Any, *, by_target: bool) -> "tuple[Rows, Rows]":
        chosen = model_selection.train_test_split(
            np.arange(len(self.x)),
            test_size=fraction,
            random_state=random_state,
            stratify=self.targets if by_target else None,
        )
        kept, held_out = (
            Rows(self.x[each], self.targets[each], None if self.weights is None else self.weights[each])
            for each in chosen
        )
        return kept, held_out

    @property
    def data(self) -> tuple[Any, Any]:
        return self.x, self.targets if self.weights is None else Weighted(self.targets, self.weights)
