"""The start of every contender, at a size: one batch, its labels, and the parameters.

All numbers are float32, so that contenders in float32 and in float64 start from exactly the same ones.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from speed.contenders.textbook import Doubles

Floats: TypeAlias = NDArray[np.float32]


@frozen
class Size:
    """Inputs, hidden units and classes, and the rows of a batch."""

    n_in: int
    n_hidden: int
    n_out: int
    batch: int

    def __str__(self) -> str:
        return f"{self.n_in}-{self.n_hidden}-{self.n_out}/{self.batch}"

    @classmethod
    def read(cls, text: str) -> "Size":
        """The size that is written as `784-50-10/100`."""
        match = re.fullmatch(r"(\d+)-(\d+)-(\d+)/(\d+)", text)
        if match is None:
            raise ValueError(f"a size is written as inputs-hidden-classes/batch, such as 784-50-10/100, got {text!r}")
        return cls(*map(int, match.groups()))

    @property
    def parameters(self) -> int:
        """The number of parameters of the network."""
        return (self.n_in + 1) * self.n_hidden + (self.n_hidden + 1) * self.n_out


SIZES = SMALL, BOOK, WIDE, WIDER, LARGE = (
    Size(64, 32, 10, 32),
    Size(784, 50, 10, 100),
    Size(784, 512, 10, 256),
    Size(784, 1024, 10, 1024),
    Size(2048, 4096, 1000, 512),
)


@frozen(eq=False)
class Problem:
    """A batch to learn, the same at every step; `start` is W1, b1, W2, b2."""

    size: Size
    x: Floats
    labels: NDArray[np.int64]
    start: Sequence[Floats]
    rate: float = 0.01
    """Ten steps move the loss by much more than rounding does, and thousands do not diverge."""
    dtype: str = "float32"
    """That of other libraries' arrays, which hold the same numbers."""
    device: str = "cpu"

    @classmethod
    def draw(cls, size: Size, **options: Any) -> "Problem":
        """Inputs between 0 and 1, as those of pictures; weights scaled by their fan-in; the same every time."""
        rng = np.random.default_rng(0)
        x, labels = rng.random((size.batch, size.n_in), np.float32), rng.integers(0, size.n_out, size.batch)
        start: list[Floats] = []
        for n_in, n_out in ((size.n_in, size.n_hidden), (size.n_hidden, size.n_out)):
            start += [rng.standard_normal((n_in, n_out), np.float32), np.zeros(n_out, np.float32)]
            start[-2] *= np.float32(n_in**-0.5)
        return cls(size, x, labels, start, **options)

    @property
    def doubles(self) -> tuple[Doubles, Doubles]:
        """The batch and one-hot rows of its labels, in float64."""
        return self.x.astype(np.float64), np.eye(self.size.n_out)[self.labels]


def constant(array: NDArray[Any]) -> NDArray[Any]:
    """The array, marked as read-only: a record of any version of chainrule holds it without a copy."""
    array.flags.writeable = False
    return array


def largest(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    """The largest difference, relative to the largest entry of its array."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
