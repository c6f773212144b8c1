"""Quantities: the shape and the statistics of one array of a pass, without the array."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, Labels, Mask

SMALL = 36
"""Up to so many numbers are kept, 6 by 6 for example."""

BLOCK_ENTRIES = 2**16
"""Numbers that are measured together: 512 KiB of float64."""


@frozen(eq=False, repr=False)
class Quantity:
    """One array of a pass: its shape, and statistics of its numbers.

    Parameters
    ----------
    name
        What a layer calls it: `"x"`, `"out"`, `"W"`, `"dout"`, `"dW"`.
    where
        Where it came from: `"params[2].W of layer 3 (affine)"`, `"out of layer 1 (affine)"`, `"x"`.
    shape, dtype
        Those of the array.
    low, high, mean, std
        The smallest and the largest number, the mean and the standard deviation, of the finite numbers; nan if there
        are none.
    zeros
        The share of zeros among all numbers.
    nonfinite
        How many numbers are nan or infinite.
    index
        Where the first of those stands; `()` if there is none.
    values
        A copy of the numbers if they are few (at most 36), else None.
    """

    name: str
    where: str
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: float
    std: float
    zeros: float
    nonfinite: int
    index: tuple[int, ...]
    values: Array | Labels | Mask | None

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def summary(self) -> str:
        """Dtype and shape, such as `f32[784, 50]`."""
        return summary(self)

    def __repr__(self) -> str:
        """Name, dtype and shape: `Quantity(out=f32[100, 50])`."""
        return f"Quantity({self.name}={self.summary})"

    def __str__(self) -> str:
        """Its origin, its shape, and how many of its numbers are not finite."""
        text = f"{self.where}, {self.summary}"
        if self.nonfinite:
            at = f", the first at [{', '.join(str(i) for i in self.index)}]" if self.index else ""
            text += f": {self.nonfinite} of {self.size} not finite{at}"
        return text


def measure(name: str, where: str, array: Array | Labels) -> Quantity:
    """Measure an array of any library that NumPy can read, in float64 or a wider dtype of its own, a block at a time.

    It is neither written to nor held. Where NumPy cannot read it, because it is on a device or traced by a compiler,
    the error of its library has a note that says which array it is.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.inspecting.tracing.quantity import measure
    >>> seen = measure("x", "x", np.array([[0.0, 3.0, np.nan]]))
    >>> seen.low, seen.high, seen.mean, seen.std, seen.nonfinite
    (0.0, 3.0, 1.5, 1.5, 1)
    >>> print(seen)
    x, f64[1, 3]: 1 of 3 not finite, the first at [0, 2]
    """
    try:
        numbers = readable(array)
    except Exception as error:
        error.add_note(f"trace looks at numbers: NumPy must be able to read {where}")
        raise
    low, high, finite, zeros = math.inf, -math.inf, 0, 0
    for block in _blocks(numbers):
        some = _finite(block)
        if some.size:
            low, high = min(low, float(some.min())), max(high, float(some.max()))
        finite += some.size
        zeros += some.size - int(np.count_nonzero(some))
    nonfinite = numbers.size - finite
    mean, std = _moments(numbers, finite, max(-low, high))
    return Quantity(
        name=name,
        where=where,
        shape=tuple(numbers.shape),
        dtype=str(array.dtype).rpartition(".")[2],
        low=low if finite else math.nan,
        high=high if finite else math.nan,
        mean=mean,
        std=std,
        zeros=zeros / numbers.size if numbers.size else 0.0,
        nonfinite=nonfinite,
        index=tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0]) if nonfinite else (),
        values=read_only(np.array(numbers)) if numbers.size <= SMALL else None,
    )


def readable(array: Any) -> NDArray[Any]:
    """The numbers of an array for NumPy to read: torch's, if a gradient is wanted of them, and its bfloat16, too.

    They are in the array's own memory where that is possible, and not to be written to.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.inspecting.tracing.quantity import readable
    >>> readable(np.array([1.0, 2.0]))
    array([1., 2.])
    """
    if hasattr(array, "detach"):
        array = array.detach()
        if str(array.dtype) == "torch.bfloat16":  # which NumPy does not have
            array = array.float()
    return np.asarray(array)


def _moments(numbers: NDArray[Any], finite: int, largest: float) -> tuple[float, float]:
    """Mean and standard deviation of the finite numbers, without overflow: scaled by a power of two."""
    if not finite:
        return math.nan, math.nan
    exponent = math.frexp(largest)[1]
    mean = sum(float(np.ldexp(_finite(block), -exponent).sum()) for block in _blocks(numbers)) / finite
    squares = sum(float(np.square(np.ldexp(_finite(block), -exponent) - mean).sum()) for block in _blocks(numbers))
    return math.ldexp(mean, exponent), math.ldexp(math.sqrt(squares / finite), exponent)


def _finite(block: NDArray[Any]) -> NDArray[Any]:
    known = np.isfinite(block)
    return block if known.all() else block[known]


def _blocks(numbers: NDArray[Any]) -> Iterator[NDArray[Any]]:
    wide = np.result_type(numbers.dtype, np.float64)
    flags: list[Literal["external_loop", "buffered", "zerosize_ok"]] = ["external_loop", "buffered", "zerosize_ok"]
    with np.nditer(numbers, flags, op_dtypes=wide, casting="unsafe", buffersize=BLOCK_ENTRIES) as blocks:
        for block in blocks:
            yield np.atleast_1d(block)
