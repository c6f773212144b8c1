"""Numerical gradients: derivatives from values alone, with which to check a backward pass.

    central    f'(x) = (f(x + h) - f(x - h)) / 2h + O(h^2)        h = eps^(1/3) max(1, |x|)
    complex    f'(x) = Im f(x + ih) / h                           h = 1e-200

The central step balances the error of the formula, h^2, against that of rounding, eps / h, where eps is that of x or of
f(x), the coarser of the two: in float64 about 1e-10 of the function's size is left. The complex step has neither and is
exact to rounding (see `chainrule.checking.complex_step`).

**Kinks.** Across a kink, such as ReLU's at 0, a difference mixes two slopes. The bend shows it, which is the slope to
the right minus the slope to the left: that of a smooth function shrinks with the step, that of a kink stays. So where
the bend is more than rounding, the step is made 16 times smaller. If the bend shrinks along and the slope stays, the
function is smooth there. If the bend is gone, the kink is outside and the new slope is right. Otherwise the step is
made smaller again. If even the smallest step meets the kink, the result is nan.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a, is_branch, of_library
from chainrule.arrays.ownership import read_only
from chainrule.arrays.records import summary
from chainrule.arrays.types import Array, is_array, is_numpy, is_tuple
from chainrule.checking.complex_step import STEP
from chainrule.checking.perturbations import Entries, Probe, along, black_box, by_structure
from chainrule.training.objective import Objective

P = TypeVar("P")

Method: TypeAlias = Literal["central", "complex"]

SHRINK = 16
"""The factor by which a step is made smaller to get away from a kink."""

SHRINKS = 3
"""The most times that a step is made smaller: to 1.5e-9 in float64, where rounding leaves six digits of a slope."""


def numerical_gradient(
    f: Callable[[P], Array | np.floating[Any] | float], params: P, *, method: Method = "central"
) -> P:
    """Differentiate a scalar function with respect to each number in a tree of parameters.

    Parameters
    ----------
    f
        A pure function of the parameters that returns one number. An `Objective` is differentiated much faster, and in
        float64 whatever its dtype. Parameters under `fixed` are differentiated like all others.
    params
        A tree of NumPy arrays of floats. They are not written to; `f` is given copies.
    method
        `"central"` differences work for any function; the `"complex"` step for functions made of layers, or of analytic
        operations that take complex arrays.

    Returns
    -------
    P
        The gradient, in the structure, shapes and dtypes of `params`; nan at a kink, or where f bends as sharply
        as one (central).

    Raises
    ------
    ValueError
        If the method is unknown.
    TypeError
        If an array is not of floats, or `f` does not return one number, complex for complex parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import numerical_gradient
    >>> numerical_gradient(lambda x: (x * x).sum(), np.array([1.0, 2.0])).round(9)
    array([2., 4.])
    >>> numerical_gradient(lambda x: np.exp(x).sum(), np.array([0.0]), method="complex")
    array([1.])
    """
    _check("numerical_gradient", f, params, method)
    objective = _objective(f)
    if objective is None:
        point, probes = params, black_box(f, params)
    else:
        point = tree.map(_at_least_float64, params)
        probes = by_structure(objective, point)
    gradients = [
        read_only(derivatives(probe, leaf, np.arange(leaf.size), method).reshape(leaf.shape).astype(given.dtype))
        for probe, leaf, given in zip(probes, tree.leaves(point), tree.leaves(params), strict=True)
    ]
    return tree.replace(params, gradients)


def directional_derivative(
    f: Callable[[P], Array | np.floating[Any] | float], params: P, direction: P, *, method: Method = "central"
) -> float:
    """Differentiate a scalar function of a tree of parameters along one direction: `<gradient, direction>`.

    It takes a few values of `f`, however many parameters there are, and so checks a gradient that is too large for a
    check entry by entry. A wrong entry shows in a random direction with probability 1, in proportion to its size.

    Parameters
    ----------
    f, params, method
        As for `numerical_gradient`.
    direction
        A tree like `params`, such as random numbers.

    Returns
    -------
    float
        The derivative of `f(params + s * direction)` with respect to s at 0; nan at a kink (central).

    Raises
    ------
    ValueError
        If the method is unknown, or `direction` differs from `params` in structure or in a shape.
    TypeError
        If an array is not of floats, or `f` does not return one number, complex for complex parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Objective, directional_derivative, softmax_cross_entropy, tree, two_layer
    >>> rng = np.random.default_rng(0)
    >>> params = two_layer.init(rng, 20, 9, 4, dtype=np.float64)
    >>> x, labels = rng.random((8, 20)), rng.integers(0, 4, 8)
    >>> grads = two_layer.gradient(params, x, labels)
    >>> direction = tree.map(lambda leaf: rng.standard_normal(leaf.shape), params)
    >>> f = Objective(two_layer.network, softmax_cross_entropy, x, labels)
    >>> abs(directional_derivative(f, params, direction, method="complex") - tree.dot(grads, direction)) < 1e-14
    True
    """
    _check("directional_derivative", f, params, method)
    _check("directional_derivative", f, direction, method, "direction")
    point, line = params, direction
    objective = _objective(f)
    if objective is not None:
        f = objective
        point, line = tree.map(_at_least_float64, params), tree.map(_at_least_float64, direction)
    tree.map(_same_shape, point, line)
    longest = max((float(np.abs(leaf).max(initial=0.0)) for leaf in tree.leaves(line)), default=0.0)
    if longest == 0:
        return 0.0
    if not math.isfinite(longest):
        raise ValueError("directional_derivative: the direction must be finite")
    scale = 2.0 ** (math.frexp(longest)[1] - 1)  # so that no square of an entry overflows or vanishes
    line = tree.map(lambda leaf: leaf / scale, line)
    length = math.sqrt(tree.dot(line, line))
    probe = along(f, point, tree.map(lambda leaf: leaf / length, line))
    start = np.zeros(1, np.result_type(*(leaf.dtype for leaf in tree.leaves(point))))
    return float(derivatives(probe, start, np.arange(1), method)[0]) * length * scale


def derivatives(probe: Probe, array: Array, entries: Entries, method: Method) -> NDArray[Any]:
    """Differentiate with respect to some of the entries of one array, given by their indices into the flattened array.

    A central difference at a kink is nan.
    """
    if method == "complex":
        return np.imag(probe(entries, np.full(entries.size, 1j * STEP))) / STEP
    if entries.size == 0:
        return np.zeros(0)
    x = array.ravel()[entries]
    middle = probe(entries[:1], np.zeros(1))
    eps = max(float(np.finfo(each.dtype).eps) for each in (x, middle))
    h = (eps ** (1 / 3) * np.maximum(1, np.abs(x))).astype(x.dtype)
    return _slopes(probe, entries, x, h, middle, eps)


def _check(name: str, f: object, params: object, method: str, what: str = "params") -> None:
    if not is_a(method, str) or method not in ("central", "complex"):
        raise ValueError(f"{name}: method must be 'central' or 'complex', got {summary(method)}")
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of params, got {describe(f)}")
    if not tree.leaves(params) and not is_tuple(params):
        raise TypeError(f"{name}: {what} must be a tree of arrays, got {describe(params)}")
    for path, leaf in tree.named_leaves(params):
        if not is_numpy(leaf) or leaf.dtype.kind != "f":
            raise TypeError(
                f"{name}: {what}{path} must be a NumPy array of floats, got {describe(leaf)}{of_library(leaf)}: "
                f"convert it first, e.g. with {'.astype(np.float64)' if is_numpy(leaf) else 'np.asarray'}"
            )


def _objective(f: Any) -> Objective[Any, Any] | None:
    if not is_a(f, Objective):
        return None
    is_tree = is_array(f.x) or is_branch(f.x)  # of anything else its network says what x must be
    objective: Objective[Any, Any] = evolve(f, x=tree.map(_at_least_float64, f.x)) if is_tree else f
    return objective


def _same_shape(leaf: Array, direction: Array) -> Array:
    if leaf.shape != direction.shape:
        raise ValueError(
            f"directional_derivative: the direction must have the shape of its parameter {leaf.shape}, "
            f"got {direction.shape}"
        )
    return leaf


def _at_least_float64(x: Array) -> Array:
    return x.astype(np.result_type(x.dtype, np.float64)) if x.dtype.kind == "f" else x  # tokens stay what they are


def _slopes(probe: Probe, entries: Entries, x: Array, h: Array, middle: NDArray[Any], eps: float) -> NDArray[Any]:
    """Central differences at the entries, of steps h or, next to a kink, smaller ones; nan at a kink."""
    slope, bend, noise = _differences(probe, entries, x, h, middle, eps)
    unclear = np.flatnonzero(bend > noise)
    for _ in range(SHRINKS):
        if not unclear.size:
            return slope
        h = h / SHRINK
        finer, finer_bend, noise = _differences(probe, entries[unclear], x[unclear], h[unclear], middle, eps)
        shrunk = finer_bend < bend[unclear] / 4
        smooth = shrunk & (np.abs(finer - slope[unclear]) < bend[unclear] / 16)
        outside = shrunk & (finer_bend <= noise)
        slope[unclear] = np.where(smooth, slope[unclear], finer)
        bend[unclear] = finer_bend
        unclear = unclear[~(smooth | outside)]
    slope[unclear] = np.nan
    return slope


def _differences(
    probe: Probe, entries: Entries, x: Array, h: Array, middle: NDArray[Any], eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The slope across each entry, the bend at it, and how much of a bend rounding alone can make."""
    h = (x + h) - x  # the step that is really made: x + h is rounded
    above, below = (_at_least_float64(probe(entries, step)) for step in (h, -h))
    slope = (above - below) / (2 * h)
    bend = np.abs((above - middle) / h - (middle - below) / h)
    size = np.maximum(np.abs(middle), np.maximum(np.abs(above), np.abs(below)))
    return slope, bend, 1000 * eps * size / h  # rounding errors are some eps * size / h
