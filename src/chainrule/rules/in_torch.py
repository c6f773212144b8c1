"""The weights of torch: a table beside a record, of torch's names, and of where their numbers stand here, and how.

    in_torch: ClassVar[InTorch] = {"weight": Weight("W", transposed), "bias": Weight("b")}

A record without a table has torch's names and layouts in its fields already. A layer that holds the numbers of a record
in another order has a table of its own, as the trait `in_torch`. Names that stand for one field are summed.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[Any]
"""An array of NumPy's: weights are moved there from any library."""


class Layout(NamedTuple):
    """The layout of a field's numbers in torch, and the way back.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.rules import Layout
    >>> negative = Layout(np.negative, np.negative)
    >>> negative.here(np.array([1.0]))
    array([-1.])
    """

    there: Callable[[Numbers], Numbers]
    """From the field to torch."""
    here: Callable[[Numbers], Numbers]
    """From torch to the field, but for its shape."""


def _same(numbers: Numbers) -> Numbers:
    return numbers


def _flat(numbers: Numbers) -> Numbers:
    return numbers.reshape(-1)


def _transpose(W: Numbers) -> Numbers:
    return W.T


def _out_in_size(W: Numbers) -> Numbers:
    return np.moveaxis(W, (-1, -2), (0, 1))


def _size_in_out(weight: Numbers) -> Numbers:
    return np.moveaxis(weight, (0, 1), (-1, -2))


def _in_out_size(W: Numbers) -> Numbers:
    return np.moveaxis(W, (-2, -1), (0, 1))


def _size_in_out_of_transpose(weight: Numbers) -> Numbers:
    return np.moveaxis(weight, (0, 1), (-2, -1))


as_it_is: Layout = Layout(_same, _same)
"""The same numbers in the same order."""
transposed: Layout = Layout(_transpose, _transpose)
"""A matrix with a row for each output in torch, and for each input here.

Examples
--------
>>> import numpy as np
>>> from chainrule.rules import transposed
>>> transposed.there(np.ones((3, 2))).shape
(2, 3)
"""
one_axis: Layout = Layout(_flat, _same)
"""An axis in torch also for one number."""
kernel: Layout = Layout(_out_in_size, _size_in_out)
"""The kernel of a convolution: `(out, in, *size)` in torch, `(*size, in, out)` here."""
kernel_of_transpose: Layout = Layout(_in_out_size, _size_in_out_of_transpose)
"""The kernel of a transposed convolution: `(in, out, *size)` in torch, `(*size, in, out)` here."""
second_term: Layout = Layout(np.zeros_like, _same)
"""The second of two biases whose sum is one here."""


class Weight(NamedTuple):
    """The place of a weight of torch's in a record.

    Examples
    --------
    >>> from chainrule.rules import Weight, transposed
    >>> Weight("W", transposed).field
    'W'
    """

    field: str
    """The path of the field: `W`, or `qkv.W`."""
    layout: Layout = as_it_is
    """The layout of its numbers there."""


InTorch: TypeAlias = Mapping[str, Weight | None]
"""By torch's names; None for what torch has beside it, and the record has not.

Examples
--------
>>> from chainrule.rules import InTorch, Weight, transposed
>>> table: InTorch = {"weight": Weight("W", transposed), "bias": Weight("b")}
>>> table["bias"].field
'b'
"""
