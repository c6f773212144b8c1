"""The functions that layers and losses are written in."""

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeGuard, TypeVar

from chainrule.arrays.types import Array, Labels, Mask, Places

A = TypeVar("A")
Q = ParamSpec("Q")


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
