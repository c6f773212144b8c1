"""What an array is here: its type, the words that layers say about it, and who may write to it.

**Type.** mypy and pyright see NumPy arrays of floats. At run time any array of a library that follows the Python Array
API standard will do (JAX, CuPy, array-api-strict; torch and dask through array-api-compat): layers call only the
functions of `Namespace`, which `chainrule.namespace.namespace` finds for an array.

**Ownership.** A gradient must not change because somebody writes to an array after the forward pass. So an array in
a record cannot be written: `keep` copies a writable one as it enters, and `freeze` marks one that the caller has just
made, so that it enters without a copy. Libraries whose arrays have no read-only mark (torch) share memory instead, and
there it is the caller's part not to write between forward and backward.
"""

from collections.abc import Callable
from mmap import mmap
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeGuard, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""An array of real floating-point numbers."""

Labels: TypeAlias = NDArray[np.integer[Any]]
"""An array of class numbers, 0 to k - 1."""

Places: TypeAlias = NDArray[Any]
"""Where in each row its label stands: in a form that the namespace chooses."""

Mask: TypeAlias = NDArray[np.bool_]
"""An array of truth values."""

Unit: TypeAlias = tuple[()]
"""The parameters of a layer that has none: `()`."""

A = TypeVar("A")
Q = ParamSpec("Q")

NUMPY: type[NDArray[Any]] = np.ndarray


class Namespace(Protocol):
    """The functions that layers and losses are written in.

    Most are functions of the Array API standard under their own names; the rest are short for expressions that NumPy
    can do faster than it would do them literally. `x` is any array of floats, `rows` is (n, k): n rows of k numbers.
    """

    @property
    def reads_values(self) -> bool:
        """Whether looking at an array's values is free: not on a device, not lazy, not traced by a compiler."""
        ...

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        """`f(*args)`, in which harmless underflow and the documented values at infinity raise no warning."""
        ...

    def matmul(self, a: Array, b: Array, /) -> Array:
        """The matrix product."""
        ...

    def exp(self, x: Array, /) -> Array:
        """The exponential."""
        ...

    def expm1(self, x: Array, /) -> Array:
        """`exp(x) - 1`, accurate near zero."""
        ...

    def log1p(self, x: Array, /) -> Array:
        """`log(1 + x)`, accurate near zero."""
        ...

    def abs(self, x: Array, /) -> Array:
        """The absolute value."""
        ...

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        """`a` where the condition holds, `b` elsewhere."""
        ...

    def ones_like(self, x: Array, /) -> Array:
        """Ones of the shape and dtype of `x`."""
        ...

    def positive_part(self, x: Array, /) -> Array:
        """`max(x, 0)`: never -0.0, and nan where `x` is nan."""
        ...

    def gate(self, out: Array, dout: Array, /) -> Array:
        """`dout` where `out` is not 0, and 0 elsewhere, whatever `dout` is there."""
        ...

    def mean(self, x: Array, /) -> Array:
        """The mean of all entries, 0-d."""
        ...

    def column_sum(self, rows: Array, /) -> Array:
        """(n, k) to (k,): the sum of the rows."""
        ...

    def row_sum(self, rows: Array, /) -> Array:
        """(n, k) to (n,): the sum of each row."""
        ...

    def row_max(self, rows: Array, /) -> Array:
        """(n, k) to (n,): the largest entry of each row."""
        ...

    def row_argmax(self, rows: Array, /) -> Labels:
        """(n, k) to (n,): where each row's largest entry stands."""
        ...

    def shifted(self, rows: Array, /) -> Array:
        """(n, k) to (n, k): each row minus its largest entry, in the layout that reductions of rows are fastest on."""
        ...

    def places(self, rows: Array, labels: Labels, /) -> Places:
        """(n, k), (n,): where each row's label stands, for `gather` and `scatter` on rows of this layout."""
        ...

    def gather(self, rows: Array, at: Places, /) -> Array:
        """(n, k) to (n,): the entry of each row at its place; nan where the label was out of range."""
        ...

    def scatter(self, rows: Array, at: Places, values: Array | float, /) -> Array:
        """(n, k), (n,) to (n, k): the rows with `values` at the places. May write into `rows`, which it takes."""
        ...

    def scalar(self, value: float, like: Array, /) -> Array | float:
        """A number that does not promote arrays of the dtype of `like`."""
        ...

    def count(self, condition: Mask, /) -> int:
        """In how many places the condition holds: reads values."""
        ...

    def is_real(self, x: Array | Labels, /) -> bool:
        """Whether `x` holds integers or real floating-point numbers; truth values are none."""
        ...

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        """Whether `x` holds integers; truth values are none."""
        ...

    def astype(self, x: Array | Labels, like: Array, /) -> Array:
        """`x` in the dtype of `like`."""
        ...


def is_numpy(value: object) -> TypeGuard[NDArray[Any]]:
    """Whether a value is a NumPy array, of any dtype."""
    return isinstance(value, np.ndarray)


def is_plain(value: object) -> bool:
    """Whether a value is a NumPy array without rules of its own, as masked arrays and matrices have them."""
    return type(value) in {np.ndarray, np.memmap} or getattr(value, "lifted", False) is True


def freeze(fresh: A) -> A:
    """Mark an array as read-only, and return it.

    Parameters
    ----------
    fresh
        An array that the caller has just made and nobody else holds. It is marked, not copied.

    Returns
    -------
    A
        The same array, read-only where its library has such a mark; for a NumPy scalar, the 0-d array.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import freeze
    >>> zeros = freeze(np.zeros(2))
    >>> zeros[0] = 1.0
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    array: object = fresh
    if not isinstance(array, NUMPY):
        return keep(fresh)
    array.setflags(write=False)
    if array.base is not None and isinstance(array.base, NUMPY):  # a view of what the caller has just made
        array.base.setflags(write=False)
    return fresh


def keep(value: A) -> A:
    """What a record may hold of a value: an array that nobody can write to, or the value itself.

    Parameters
    ----------
    value
        Anything. NumPy arrays that are read-only, and own their memory or are views of others that do, are shared;
        the rest are copied, in C order and the machine's byte order. (A writable view that was taken of an array before
        it was made read-only can't be seen.)

    Returns
    -------
    A
        The value, a read-only copy of it, or for a NumPy scalar the 0-d array.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import keep
    >>> x = np.ones(2)
    >>> kept = keep(x)
    >>> x[0] = 7.0
    >>> kept
    array([1., 1.])
    >>> keep(kept) is kept
    True
    """
    array: object = value
    if isinstance(array, NUMPY):
        held = cast("Array", array)
        if not (_is_constant(held) and held.dtype.isnative):
            return cast("A", freeze(held.astype(held.dtype.newbyteorder("="), order="C", copy=True)))
    elif isinstance(array, np.generic):  # what NumPy returns in place of a 0-d array
        return cast("A", freeze(np.asarray(cast("object", value))))
    return value


def _is_constant(array: NDArray[Any]) -> bool:
    """Whether nobody can write to an array through it or through what it is a view of."""
    base: object = array
    while isinstance(base, NUMPY):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None or isinstance(base, bytes | mmap)
