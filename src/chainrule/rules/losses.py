"""`loss`: make a loss, forward, backward and both at once, from the arithmetic of its rows.

    loss = sum(l_i) / n        d(loss) = sum(<s_i, d(out_i)>) / n        dout_i = s_i * dloss / n

for n rows, with the loss l_i of each and its derivative s_i with respect to that row of `out`. Rows are all axes but
the last. Slopes that have a divisor for each row, as those of a softmax have, may leave the division to the factor
`dloss / n`, by which the row is multiplied anyway.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import frozen

from chainrule.arrays.arguments import describe, empty_batch, functions, is_a, record_of, two
from chainrule.arrays.libraries import can_meet, namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed, own, read_only
from chainrule.arrays.records import Signature, record, sign, signature_of, unchecked
from chainrule.arrays.types import Array, is_numpy
from chainrule.loss import Loss
from chainrule.naming import options_of, public, titled
from chainrule.rules.rule import LossRule

T = TypeVar("T")

Rows: TypeAlias = Callable[[Namespace, Array, T], tuple[Array, Array] | tuple[Array, Array, Array]]
"""The arithmetic of a loss: for each row its loss, its slopes, and perhaps a divisor of the slopes."""


@frozen(eq=False)
@record
class Slopes:
    """The cache of a loss: the derivative of each row's loss with respect to `out`, and its divisor.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import mean_squared_error
    >>> loss, cache = mean_squared_error.forward(np.array([[3.0]]), np.array([[1.0]]))
    >>> type(cache).__name__
    'Slopes'
    """

    slopes: Array
    divisor: Array | None


_slopes = unchecked(Slopes)


def loss(
    name: str,
    rows: Rows[T],
    *,
    out: str = "out",
    operations: tuple[int, int] | Callable[[tuple[int, ...]], tuple[int, int]] | None = None,
    couples_rows: bool = False,
) -> Loss[T, Slopes]:
    """Make a loss of the arithmetic of its rows.

    Parameters
    ----------
    name
        What the module calls it. Options that `functools.partial` binds to `rows` by name follow in its repr.
    rows
        `(xp, out, targets) -> (losses, slopes)`: from `out` (..., k), which has a row at least, the loss of each row
        (...,), and its derivative with respect to `out` (..., k), fresh. It refuses targets that do not fit. A third
        result (...,) is what each row's slopes are still to be divided by. In float16 losses may be of float32.
    out
        What messages call `out`, such as `"logits"`.
    operations
        The floating-point operations of one number of `out`, forward and backward; or a function, as of `Loss`.
    couples_rows
        As of `Loss`.

    Returns
    -------
    Loss
        The mean of the rows, with its backward and its rule.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, rules
    >>> def rows(xp: rules.Namespace, out: Array, targets: Array) -> tuple[Array, Array]:
    ...     error = out - targets
    ...     return xp.sum_last(error * error), 2 * error
    >>> squared_error = rules.loss("squared_error", rows)
    >>> value, cache = squared_error.forward(np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]]))
    >>> print(value, squared_error.backward(cache, 1.0).tolist())
    2.0 [[2.0], [0.0]]
    """
    functions(name, rows=rows)
    arithmetic = LossArithmetic(name, out, rows)
    return Loss(
        arithmetic.forward,
        arithmetic.backward,
        arithmetic.of_rows,
        name=titled(name, options_of(rows)),
        operations=operations if operations is None or callable(operations) else partial(_operations, operations),
        couples_rows=couples_rows,
        rule=LossRule(arithmetic.at_once, rows, rows),
    )


@frozen(eq=False)
class LossArithmetic(Generic[T]):
    """The arithmetic of a loss: the loss and the slopes of each row."""

    name: str
    out: str
    rows: Rows[T]

    @public("forward")
    def forward(self, out: Array, targets: T) -> tuple[Array, Slopes]:
        """The public forward."""
        xp = namespace(out, name=f"{self.name}: {self.out}")
        out = borrowed(self.some(out))
        losses, slopes, *divisor = self.checked(xp.quietly(self.rows, xp, out, targets))
        below = read_only(divisor[0]) if divisor else None
        cache = _slopes(read_only(slopes), below)
        sign(cache, Signature(self.name, xp, out.shape, out.dtype))
        return read_only(xp.quietly(self.mean, xp, losses, out)), cache

    @public("backward")
    def backward(self, cache: Slopes, dloss: Any = None) -> Array:  # without dloss, it is refused in the loss's name
        """The public backward."""
        slopes = record_of(cache, Slopes, f"{self.name} backward: cache").slopes
        signature = signature_of(cache)
        if signature is not None and signature.layer != self.name:
            what = f"{self.name} backward: cache must be one of its own"
            raise TypeError(f"{what}, got {describe(cache)} of {signature.layer}")
        xp = namespace(slopes)
        return read_only(xp.quietly(self.scaled_slopes, xp, dloss, slopes, cache.divisor))

    def of_rows(self, out: Array, targets: T) -> Array:
        """The public rows."""
        xp = namespace(out, name=f"{self.name}: {self.out}")
        out = borrowed(self.some(out))
        losses = self.checked(xp.quietly(self.rows, xp, out, targets))[0]
        return losses if losses.dtype == out.dtype else xp.astype(losses, out)

    def at_once(self, xp: Namespace, out: Array, targets: T, dloss: Array | float) -> tuple[Array, Array]:
        """The loss, and its derivative with respect to out times dloss, in a pass."""
        if not out.size:
            self.some(out)
        of_rows = self.checked(self.rows(xp, out, targets))
        divisor = of_rows[2] if len(of_rows) == 3 else None
        return read_only(self.mean(xp, of_rows[0], out)), self.scaled_slopes(xp, dloss, of_rows[1], divisor)

    def checked(self, of_rows: Any) -> Any:
        """Refuse an array alone, whose first two rows would be taken for losses and slopes."""
        return of_rows if of_rows.__class__ is tuple else two(of_rows, f"{self.name}: rows", "(losses, slopes)")

    def mean(self, xp: Namespace, losses: Array, out: Array) -> Array:
        """The mean of the losses, in the dtype of out."""
        mean = xp.mean(losses)
        return mean if mean.dtype == out.dtype else xp.astype(mean, out)

    def some(self, out: Array) -> Array:
        """Refuse an out without rows, whose mean is not defined."""
        if math.prod(out.shape[:-1]) == 0:
            raise empty_batch(self.name, self.out, out.shape)
        return out

    def scaled_slopes(self, xp: Namespace, dloss: Array | float, slopes: Array, divisor: Array | None = None) -> Array:
        """`slopes * dloss / n`, in the memory of the slopes if they are mine."""
        n = slopes.shape[0] if slopes.ndim == 2 else math.prod(slopes.shape[:-1])
        factor: Array | float
        if type(dloss) is float:
            factor = xp.share(dloss, n, slopes)
        elif is_a(dloss, bool) or not (is_a(dloss, float, int) or getattr(dloss, "shape", None) == ()):
            raise TypeError(f"{self.name} backward: dloss must be a number or a 0-d array, got {describe(dloss)}")
        elif isinstance(dloss, (float, int)):
            try:
                factor = xp.share(float(dloss), n, slopes)
            except OverflowError:
                raise ValueError(f"{self.name} backward: dloss is beyond the numbers that a float can hold") from None
        else:
            scalar = own(dloss)  # a NumPy scalar becomes an array
            if not is_numpy(scalar):
                can_meet(f"{self.name} backward: dloss", scalar, "out", slopes)
            namespace(scalar, name=f"{self.name} backward: dloss")
            factor = xp.astype(xp.widened(xp.astype(scalar, slopes)) / n, slopes)  # n may be beyond float16
        return xp.times(slopes, factor if divisor is None else (factor / divisor)[..., None])


def _operations(each: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    return each[0] * math.prod(shape), each[1] * math.prod(shape)
