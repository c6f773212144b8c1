"""The shapes of parameters, and of an x that is to fit them, in words of axes."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from chainrule.arrays.libraries import alike
from chainrule.arrays.types import Array


def well_formed(record: str, *, least: int = 0, **fields: tuple[Array, str]) -> None:
    """Check the arrays of a record: one library, one dtype of floats, and axes of one name of one length.

    Parameters
    ----------
    record
        The name of the record, for messages.
    least
        The least length of an axis.
    **fields
        By the names of the fields, the array and the names of its axes: `W=(W, "inputs outputs")`.

    Raises
    ------
    TypeError
        If one is no array of floats, or two differ in library or dtype.
    ValueError
        If an array has another number of axes, or an axis another length than in the fields before.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import rules
    >>> rules.well_formed("Affine", W=(np.ones((3, 2)), "inputs outputs"), b=(np.ones(5), "outputs"))
    Traceback (most recent call last):
    ValueError: Affine: W is (3, 2), so b must be (2,), got (5,)
    """
    alike(record, **{name: array for name, (array, _) in fields.items()})
    lengths: dict[str, int] = {}
    first, (before, _) = next(iter(fields.items()))
    for name, (array, words) in fields.items():
        axes, shape = words.split(), tuple(array.shape)
        many = len(shape) == len(axes)
        wanted = [str(lengths.get(axis, axis)) for axis in axes]
        shown = f"({', '.join(wanted)}{',' if len(axes) == 1 else ''})"
        fits = many and all(lengths.get(axis, n) == n for axis, n in zip(axes, shape, strict=True))
        if wanted != axes and not fits:
            raise ValueError(f"{record}: {first} is {tuple(before.shape)}, so {name} must be {shown}, got {shape}")
        if not many or min(shape) < least:
            some = f" with at least {least} of each" if least else ""
            raise ValueError(f"{record}: {name} must be {len(axes)}-D {shown}{some}, got shape {shape}")
        lengths |= dict(zip(axes, shape, strict=True))


def fitting(layer: str, x: Array, name: str, array: Array) -> None:
    """Check that `x` (..., d) has as many features as the first axis of an array of the parameters, called `name`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import rules
    >>> rules.fitting("affine", np.ones((4, 3)), "W", np.ones((3, 2)))
    >>> rules.fitting("affine", np.ones((4, 3)), "W", np.ones((5, 2)))
    Traceback (most recent call last):
    ValueError: affine: x has 3 features (4, 3) but W takes 5 (5, 2)
    """
    if x.shape[-1:] != array.shape[:1]:
        raise feature_misfit(layer, x, name, array)


def features(layer: str, name: str) -> Callable[[Any, Array], None]:
    """The check that `x` has as many features as the first axis of the field `name` of the parameters."""
    of = attrgetter(name)

    def fits(params: Any, x: Array) -> None:
        array = of(params)
        if x.shape[-1:] != array.shape[:1]:
            raise feature_misfit(layer, x, name, array)

    return fits


def some_features(layer: str) -> Callable[[object, Array], None]:
    """The check that `x` has an axis of features, and at least one of them.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import rules
    >>> rules.some_features("softmax")((), np.ones((4, 0)))
    Traceback (most recent call last):
    ValueError: softmax: x must have an axis of at least one feature, got shape (4, 0)
    """

    def fits(params: object, x: Array) -> None:
        if not (x.ndim and x.shape[-1]):
            raise ValueError(f"{layer}: x must have an axis of at least one feature, got shape {tuple(x.shape)}")

    return fits


def of_positions(layer: str, x: Array) -> None:
    """Check that `x` (..., t, d) has an axis of positions and one of features.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import rules
    >>> rules.of_positions("rotary", np.ones(3))
    Traceback (most recent call last):
    ValueError: rotary: x must have an axis of positions and one of features, got shape (3,)
    """
    if x.ndim < 2:
        what = f"x must have an axis of positions and one of features, got shape {tuple(x.shape)}"
        raise ValueError(f"{layer}: {what}")


def feature_misfit(layer: str, x: Array, name: str, array: Array) -> ValueError:
    """The error of an `x` that does not fit an array of the parameters."""
    if not x.ndim:
        return ValueError(f"{layer}: x must have an axis of features, got shape ()")
    what = f"x has {x.shape[-1]} features {tuple(x.shape)} but {name} takes {array.shape[0]} {tuple(array.shape)}"
    return ValueError(f"{layer}: {what}")
