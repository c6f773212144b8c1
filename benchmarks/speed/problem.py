"""Where every contender starts: one batch, its labels, and the parameters.

All numbers are float32, so that contenders in float32 and in float64 start from exactly the same ones.
"""

from typing import TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from speed.size import Size

Floats: TypeAlias = NDArray[np.float32]
Parameters: TypeAlias = tuple[Floats, Floats, Floats, Floats]
"""W1, b1, W2, b2."""

RATE = 0.01
"""The learning rate: ten steps move the loss by much more than rounding does, and thousands do not diverge."""


@frozen(eq=False)
class Problem:
    """A batch to learn, the same at every step."""

    size: Size
    x: Floats
    labels: NDArray[np.int64]
    start: Parameters

    @classmethod
    def draw(cls, size: Size) -> "Problem":
        """Inputs between 0 and 1, as those of pictures; weights scaled by their fan-in; the same every time."""
        rng = np.random.default_rng(0)

        def weights(n_in: int, n_out: int) -> Floats:
            drawn = rng.standard_normal((n_in, n_out), dtype=np.float32)
            drawn *= np.float32(n_in**-0.5)
            return drawn

        return cls(
            size,
            rng.random((size.batch, size.n_in), dtype=np.float32),
            rng.integers(0, size.n_out, size.batch),
            (
                weights(size.n_in, size.n_hidden),
                np.zeros(size.n_hidden, np.float32),
                weights(size.n_hidden, size.n_out),
                np.zeros(size.n_out, np.float32),
            ),
        )
