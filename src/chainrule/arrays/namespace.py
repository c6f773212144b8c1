"""The functions of which rules are made: those of an array's own library, and words of ours that it lacks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, Protocol, TypeGuard, TypeVar

from chainrule.arrays.slices import Steps
from chainrule.arrays.types import Along, Array, Labels, Mask, Places
from chainrule.arrays.windows import Windows

A = TypeVar("A")
Arrays = TypeVar("Arrays", bound="tuple[Any, ...]")
Q = ParamSpec("Q")


class Namespace(Protocol):
    """The functions that layers, losses and optimizers are written in.

    Most are functions of the Array API standard under their own names; a library's other functions are reached through
    it as well. The rest say who owns an array, or are short for expressions that NumPy computes much faster in another
    form. `x` is any array of floats, (..., k) rows of k numbers on any axes, `rows` (n, k).

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, rules
    >>> def forward(xp: rules.Namespace, x: Array) -> tuple[Array, Array]:
    ...     return xp.exp(x), xp.exp(x)
    >>> exponential = rules.elementwise("exponential", forward)
    >>> exponential.forward((), np.array([0.0]))[0]
    array([1.])
    """

    @property
    def reads_values(self) -> bool:
        """True if reading an array's values is free: not on a device, not lazy, not traced by a compiler."""
        ...

    def quietly(self, f: Callable[Q, A], /, *args: Q.args, **options: Q.kwargs) -> A:
        """`f(*args)`, in which harmless underflow and the documented values at infinity raise no warning."""
        ...

    @property
    def keeps(self) -> bool:
        """True if a combinator keeps its parts' caches: not where no backward follows."""
        ...

    def by_blocks(self, f: Callable[["Namespace", Array], tuple[Array, Array]], x: Array, /) -> tuple[Array, Array]:
        """`f(xp, x)`, the output and what is saved, of a function of each number alone, which may save `xp.own(x)`."""
        ...

    def by_examples(self, f: Callable[..., Arrays], x: Array, *others: Array | Labels) -> Arrays:
        """`f(x, *others)`, of a function that treats each entry of the first axis alone, and returns fresh arrays."""
        ...

    def own(self, x: A, /) -> A:
        """`x` for a cache to hold: a read-only copy unless nobody can write to it.

        Where a pass owns all of its arrays, `x` itself.
        """
        ...

    def mine(self, x: Array, /) -> bool:
        """True if the rule that was handed `x` may write to it: made in this pass, and handed on to nobody else."""
        ...

    def read_only(self, fresh: A, /) -> A:
        """The array as a constant, for a cache and another receiver to share."""
        ...

    def shared(self, x: A, /) -> A:
        """`x` for several receivers: what is mine becomes constant, what is borrowed stays so."""
        ...

    def plus(self, a: Array, b: Array, /) -> Array:
        """`a + b`, in the memory of `a` if it is mine."""
        ...

    def times(self, a: Array, b: Array | float, /) -> Array:
        """`a * b`, in the memory of `a` if it is mine, else in that of `b` if that is."""
        ...

    def times_in(self, done: Array, a: Array, b: Array | float, /) -> Array:
        """`a * b`, in the memory of an array of that shape which the rule has made and is done with."""
        ...

    def room(self, x: Array, /) -> Array:
        """An array like `x` whose numbers say nothing: memory for `times_in`, `over_in` and `sqrt_in`.

        Where what will replace `x` has a place already, it is that place, and nothing else may be returned in it.
        """
        ...

    def over_in(self, done: Array, a: Array, b: Array, /) -> Array:
        """`a / b`, in such memory as `times_in`, which may be that of `b`."""
        ...

    def sqrt_in(self, done: Array, x: Array, /) -> Array:
        """`sqrt(x)`, in such memory as `times_in`."""
        ...

    def matmul(self, a: Array, b: Array, /) -> Array:
        """(..., d), (d, m) to (..., m): the matrix product."""
        ...

    def matmul_rows(self, a: Array, b: Array, /) -> Array:
        """(..., d), (..., m) to (d, m): the sum over all rows of their outer products, `a^T b`."""
        ...

    def exp(self, x: Array, /) -> Array:
        """The exponential."""
        ...

    def decay(self, x: Array, rate: float = 1, /) -> Array:
        """`exp(-rate |x|)`, between 0 and 1, as a fresh array."""
        ...

    def decay_of(self, x: Array, polynomial: tuple[float, ...], /) -> Array:
        """`exp(-p(x))` for 0 <= x <= 40 and p(x) = c1 x + c2 x^2 + ..., of which (c1, c2, ...) are given.

        In float64 it keeps its digits however large p(x) is: see `chainrule.arrays.exponents`.
        """
        ...

    def gaussian(self, x: Array, /) -> tuple[Array, Array]:
        """The tail `F(-|x|)` and the density `f(x)` of the normal distribution F, where there is an error function."""
        ...

    def expm1(self, x: Array, /) -> Array:
        """`exp(x) - 1`, accurate near zero."""
        ...

    def log(self, x: Array, /) -> Array:
        """The natural logarithm."""
        ...

    def log1p(self, x: Array, /) -> Array:
        """`log(1 + x)`, accurate near zero."""
        ...

    def sqrt(self, x: Array, /) -> Array:
        """The square root."""
        ...

    def tanh(self, x: Array, /) -> Array:
        """The hyperbolic tangent."""
        ...

    def sigmoid(self, x: Array, /) -> tuple[Array, Array]:
        """`s = 1 / (1 + exp(-x))` and `1 - s`, both fresh, and right to the last digit while they are normal numbers.

        `x` has 32 bits or more.
        """
        ...

    def abs(self, x: Array, /) -> Array:
        """The absolute value."""
        ...

    def round(self, x: Array, /) -> Array:
        """The nearest whole number."""
        ...

    def sign(self, x: Array, /) -> Array:
        """-1, 0 or 1."""
        ...

    def where(self, condition: Mask, a: Array, b: Array, /) -> Array:
        """`a` where the condition holds, `b` elsewhere."""
        ...

    def concat(self, arrays: tuple[Array, ...] | list[Array], /, *, axis: int = 0) -> Array:
        """The arrays one after another along an axis."""
        ...

    def stack(self, arrays: tuple[Array, ...] | list[Array], /) -> Array:
        """The arrays, of one shape, one after another along a new first axis."""
        ...

    def reshape(self, x: A, shape: tuple[int, ...], /) -> A:
        """The same numbers in another shape."""
        ...

    def permute_dims(self, x: Array, axes: tuple[int, ...], /) -> Array:
        """The array with its axes in another order; it may be a view."""
        ...

    def swapaxes(self, x: Array, a: int, b: int, /) -> Array:
        """The array with two axes in each other's place: a view, where a library has views."""
        ...

    def zeros_like(self, x: Array, /) -> Array:
        """Zeros of the shape and dtype of `x`."""
        ...

    def ones_like(self, x: Array, /) -> Array:
        """Ones of the shape and dtype of `x`."""
        ...

    def one_where(self, condition: Mask, x: Array, /) -> Array:
        """1 where the condition holds, and elsewhere the number of `x`, which lies between 0 and 1."""
        ...

    def either(self, condition: Mask, a: float, b: Array | float, like: Array, /) -> Array:
        """`a` where the condition holds and `b` elsewhere, both finite, as a fresh array of the dtype of `like`."""
        ...

    def reciprocal(self, x: Array, /) -> Array:
        """`1 / x`; it may be written into `x`."""
        ...

    def positive_part(self, x: Array, /) -> Array:
        """`max(x, 0)`, in the memory of `x` if it is mine: never -0.0, and nan where `x` is nan."""
        ...

    def clip(self, x: Array, low: float, high: float, /) -> Array:
        """The nearest number to `x` that lies between two numbers; nan where `x` is nan."""
        ...

    def gate(self, out: Array, dout: Array, /) -> Array:
        """`dout` where `out` is not 0, and 0 elsewhere, whatever `dout` is there; in its memory if it is mine."""
        ...

    def mean(self, x: Array, /) -> Array:
        """The mean of all entries, 0-d."""
        ...

    def rows(self, x: Array, /) -> Array:
        """(..., k) to (n, k): all axes but the last as one."""
        ...

    def sum_rows(self, x: Array, /) -> Array:
        """(..., k) to (k,): the sum of all rows."""
        ...

    def sum_last(self, x: Array, /) -> Array:
        """(..., k) to (...,): the sum of each row."""
        ...

    def dot_last(self, a: Array, b: Array, /) -> Array:
        """(..., k), (..., k) to (..., 1): the inner product of each row of one with that of the other."""
        ...

    def exponentials(self, x: Array, /) -> tuple[Array, Array, Array]:
        """`x - c`, `exp(x - c)` and the sum of each row of these, (..., 1), all fresh, for an entry c of each row.

        It is chosen so that no sum overflows, and none is less than 1. `x` has 32 bits or more.
        """
        ...

    def mean_along(self, x: Array, along: Along, /) -> Array:
        """The mean along an axis, which is kept; of `Groups`, (n, p, c) to (n, 1, c), at each channel its group's."""
        ...

    def mean_weighted(self, x: Array, weights: Array, /) -> Array:
        """(..., k), (k,) to (..., 1): the mean of each row times the weights."""
        ...

    def mean_product(self, a: Array, b: Array, /) -> Array:
        """(..., k), (..., k) to (..., 1): the mean of the products of each row's numbers."""
        ...

    def tamed(self, x: Array, along: Along, /) -> tuple[Array, Array | float]:
        """`x` times a power of two, and that power in the shape of a mean; 1 unless sums overflow."""
        ...

    def tame_mean(self, x: Array, along: Along, /) -> Array:
        """The mean, as `mean_along` gives it, and finite where the sum is not."""
        ...

    def centred(self, x: Array, along: Along, /) -> tuple[Array, Array]:
        """`x` minus its mean, as a fresh array, and the mean, as `mean_along` gives it.

        Of equal numbers nothing is left, whatever the sum of them is rounded to.
        """
        ...

    def mean_square(self, x: Array, along: Along, /) -> Array:
        """The mean of the squares, as `mean_along` gives it."""
        ...

    def deviation(self, x: Array, eps: float, unit: Array | float, along: Along, /) -> tuple[Array, Array]:
        """The mean of the squares, as `mean_along` gives it, and `1 / sqrt(mean + eps * unit^2)`."""
        ...

    def dropout_factor(self, x: Array, rate: float, seed: object, /) -> Array:
        """0 in about a share `rate` of the places of `x`, and `1 / (1 - rate)` in the others, as a fresh array.

        The places are a function of the seed and the shape of `x`, which differs between libraries.
        """
        ...

    def padded(self, x: Array, axis: int, before: int, after: int, value: float, /) -> Array:
        """`x` with a number so many times before and after it along an axis; `x` itself where it is none."""
        ...

    def gathered(self, places: range, steps: Iterable[tuple[Array, ...]], /) -> tuple[Array, ...]:
        """The arrays of steps, each stacked along a new first axis: at 0 those of the step whose place is 0."""
        ...

    def row_by_row(self, x: Array, /) -> Array:
        """The same numbers, laid out row by row for products that are repeated."""
        ...

    def first_largest(self, arrays: Sequence[Array], /) -> tuple[Array, Labels]:
        """Entry by entry the largest number of arrays of one shape, and in which it stands first; nan is the largest.

        The numbers of the arrays are of the smallest integers that will do.
        """
        ...

    def mean_of(self, arrays: Sequence[Array], /) -> Array:
        """The mean of arrays of one shape, entry by entry, finite if they are."""
        ...

    def only(self, condition: Mask, x: Array, /) -> Array:
        """`x` where the condition holds, and 0 elsewhere, whatever `x` is there."""
        ...

    def overlapped(self, parts: Sequence[Array], /, *steps: Steps) -> Array:
        """The sums, at each place, of the numbers that windows have there: the transpose of taking windows apart.

        A part holds what all windows have in one place; the places are in row-major order. It is 0 outside of windows.
        """
        ...

    def scattered(self, place: Labels, x: Array, /, *steps: Steps) -> Array:
        """Each number at one place of its window, of those in row-major order, and 0 elsewhere.

        Where windows overlap, numbers are added.
        """
        ...

    def first_position(self, x: Array, /) -> tuple[Array, Labels]:
        """(n, p, c) to (n, c) twice: the largest over all positions, and the first that has it; nan is the largest."""
        ...

    def at_position(self, place: Labels, values: Array, p: int, /) -> Array:
        """(n, c), (n, c) to (n, p, c): zeros, with each value at its position."""
        ...

    def at_positions(self, values: Array, p: int, /) -> Array:
        """(n, c) to (n, p, c): each value at all positions."""
        ...

    def may_fall_below(self, x: Array, bound: float, /) -> bool:
        """Tell whether an entry may be below a bound; True where numbers can't be looked at."""
        ...

    def max_last(self, x: Array, /) -> Array:
        """(..., k) to (...,): the largest entry of each row."""
        ...

    def argmax_last(self, x: Array, /) -> Labels:
        """(..., k) to (...,): where each row's largest entry stands."""
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
        """(n, k), (n,) to (n, k): the rows with `values` at the places; they may be written into `rows`."""
        ...

    def one_hot(self, labels: Labels, k: int, /) -> Mask:
        """(...,) to (..., k): whether each class is that of the label; no class is if the label is out of range."""
        ...

    def turns(self, x: Array, base: float, /) -> tuple[Array, Array]:
        """(t, d/2) each, for `x` (..., t, d): cosine and sine of `p base^(-2i/d)` at place p and pair i."""
        ...

    def blocks(self, t: int, causal: bool, /) -> list[tuple[slice, slice]]:
        """Slices of t rows, one after another, and of the columns that they see: those up to their last, or all."""
        ...

    def up_to(self, t: int, like: Array, /) -> Mask:
        """(t, t): whether the column is at most the row; on the device of `like`."""
        ...

    def weights(self, scores: Array, allowed: Mask | None, /) -> Array:
        """(..., t, s) to (..., t, s): in each row `exp(scores) / sum(exp(scores))` of what is allowed, and else 0.

        A row in which nothing is allowed is 0. They may be written into `scores`, which has 32 bits or more; None
        allows everything.
        """
        ...

    def take_rows(self, rows: Array, labels: Labels, /) -> Array:
        """(k, d), (...,) to (..., d): a fresh copy of the row at each label."""
        ...

    def add_rows(self, labels: Labels, values: Array, k: int, /) -> Array:
        """(...,), (..., d) to (k, d): the sum of the values at each label, the transpose of `take_rows`."""
        ...

    def take_steps(self, x: Array, labels: Labels, /) -> Array:
        """(..., t, d), (...,) to (..., d): a fresh copy of the step at each label."""
        ...

    def put_steps(self, values: Array, labels: Labels, t: int, /) -> Array:
        """(..., d), (...,) to (..., t, d): the values at the labels, and zeros: `take_steps` transposed."""
        ...

    def windowed(self, x: Array, W: Array, at: Windows, /) -> Array:
        """(n, *outer, c) to (n, *inner, m): `windows(x) W`, for W (*size, c / groups, m)."""
        ...

    def folded(self, y: Array, W: Array, at: Windows, /) -> Array:
        """(n, *inner, m) to (n, *outer, c): `fold(y W^T)`, the transpose of `windowed`."""
        ...

    def of_windowed(
        self, x: Array, W: Array, dout: Array, at: Windows, wants_dx: bool, /
    ) -> tuple[Array | None, Array]:
        """The derivatives of `<windows(x) W, dout>` in x and W: `folded(dout, W)` and `windows(x)^T dout`."""
        ...

    def of_folded(self, y: Array, W: Array, dout: Array, at: Windows, wants_dy: bool, /) -> tuple[Array | None, Array]:
        """The derivatives of `<fold(y W^T), dout>` in y and W: `windowed(dout, W)` and `windows(dout)^T y`."""
        ...

    def matrix_transpose(self, x: Array, /) -> Array:
        """(..., a, b) to (..., b, a)."""
        ...

    def scalar(self, value: float, like: Array, /) -> Array | float:
        """A number that does not promote arrays of the dtype of `like`."""
        ...

    def share(self, value: float, n: int, like: Array, /) -> Array | float:
        """`value / n`, which does not promote arrays of the dtype of `like`, and is as accurate as they are."""
        ...

    def count(self, condition: Mask, /) -> int:
        """The number of places in which the condition holds, which reads values."""
        ...

    def is_real(self, x: Array | Labels | Mask, /) -> bool:
        """True if `x` holds integers or real floating-point numbers; booleans are neither."""
        ...

    def is_integral(self, x: Array | Labels, /) -> TypeGuard[Labels]:
        """True if `x` holds integers; booleans are none."""
        ...

    def widened(self, x: Array, /) -> Array:
        """`x` in float32 if it has 16 bits, else `x` itself."""
        ...

    def astype(self, x: Array | Labels | Mask, like: Array, /) -> Array:
        """`x` in the dtype of `like`; the truth values are 0 and 1."""
        ...
