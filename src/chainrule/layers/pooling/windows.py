"""Windows along the spatial axes of x (n, ..., c): their sizes, strides and paddings, and the slices that they share.

A window of `size` numbers begins at every `stride`-th place of an axis that is padded before and after. Its k-th number
belongs to the k-th of as many slices of the axis, `k::stride`, so that what all windows do with their numbers is done
with slices, entry by entry. Windows on several axes are products of those on one: small ones that lie apart are worked
off on all axes together, since each number is in one of them, and others axis by axis.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from chainrule.arrays import slices
from chainrule.arrays.namespace import Arrays, Namespace
from chainrule.arrays.slices import Steps, along
from chainrule.arrays.spatial import Each, Margins, axes_of, margins, sizes, spatial
from chainrule.arrays.types import Array, Labels, Unit, is_any_tuple
from chainrule.layer import Shape

SMALL = 32
"""Windows of more numbers are worked off axis by axis: so many slices of a few numbers take longer."""


class AxisWindows(NamedTuple):
    """The windows along one axis."""

    size: int
    stride: int
    before: int
    after: int

    def number(self, length: int) -> int:
        """The number of windows along an axis of a length; none if it is less than 1."""
        return (length + self.before + self.after - self.size) // self.stride + 1


Stage: TypeAlias = tuple[tuple[int, AxisWindows], ...]
"""Axes that are worked off together, and the windows along each."""


def options(owner: str, size: Any, stride: Any, padding: Any) -> dict[str, Any]:
    """Check the options of a layer with windows, and give them as it prints them; a stride of None is the size."""
    size = sizes(owner, "size", size, least=1)
    stride = size if stride is None else sizes(owner, "stride", stride, least=1)
    given = {"size": size, "stride": stride, "padding": margins(owner, padding)}
    for each in windows(axes_of(owner, **given), **given):
        if max(each.before, each.after) >= each.size:
            most = f"a padding of {max(each.before, each.after)} holds a window of {each.size}"
            raise ValueError(f"{owner}: padding must be less than size, but {most}")
    return given


@lru_cache(maxsize=64)
def windows(axes: int, size: Each, stride: Each, padding: Margins) -> tuple[AxisWindows, ...]:
    """The windows along each of some spatial axes."""
    sizes, strides, pads = (_for(axes, option) for option in (size, stride, padding))
    both = [pad if is_any_tuple(pad) else (pad, pad) for pad in pads]
    return tuple(AxisWindows(*each, *ends) for *each, ends in zip(sizes, strides, both, strict=True))


@lru_cache(maxsize=64)
def stages(axes: int, size: Each, stride: Each, padding: Margins) -> tuple[Stage, ...]:
    """The axes that are worked off together, with their windows: all, or one after the other, the last one first."""
    each = [*enumerate(windows(axes, size, stride, padding), 1)]
    apart = all(window.size <= window.stride for _, window in each)
    together = apart and math.prod(window.size for _, window in each) <= SMALL
    return (tuple(each),) if together else tuple((one,) for one in reversed(each))


def _for(axes: int, option: Any) -> tuple[Any, ...]:
    return option if is_any_tuple(option) else (option,) * axes


def fits(owner: str, params: Unit, x: Array, *, size: Each, stride: Each, padding: Margins) -> None:
    """Check that x has an axis of examples, the spatial axes, each of them long enough, and one of channels."""
    axes = x.ndim - 2
    least, most = (len(size), len(size)) if isinstance(size, tuple) else (1, 3)
    for option in (stride, padding):
        least, most = (len(option), len(option)) if isinstance(option, tuple) else (least, most)
    if not least <= axes <= most:
        wanted = spatial(least) if least == most else "1 to 3 spatial axes"
        raise ValueError(f"{owner}: x must have {wanted} between the first and the last, got shape {tuple(x.shape)}")
    for axis, each in enumerate(windows(axes, size, stride, padding), 1):
        length = x.shape[axis]
        if length < 1 or each.number(length) < 1:
            what = f"a window of {each.size} does not fit into axis {axis} of x {tuple(x.shape)}"
            raise ValueError(f"{owner}: {what} with padding {(each.before, each.after)}")


def taps(xp: Namespace, x: Array, stage: Stage, value: float) -> Sequence[Array]:
    """The numbers of all windows at each of their places, in row-major order; beyond the ends there is a value."""
    across, shape = steps(stage, x.shape), list(x.shape)
    for axis, each in stage:
        shape[axis] = each.number(shape[axis])
        x = xp.padded(x, axis, each.before, each.after, value)
    return [x[tap] for tap, _ in slices.taps(tuple(shape), across)]


def steps(stage: Stage, shape: Shape) -> tuple[Steps, ...]:
    """The windows of a stage along the axes of x, with its padding."""
    return tuple(Steps(axis, each.size, each.stride, each.before + shape[axis] + each.after) for axis, each in stage)


def within(x: Array, stage: Stage, shape: Shape) -> Array:
    """The part of x that is not the padding of a stage."""
    for axis, each in stage:
        x = x[along(x.ndim, axis, each.before, each.before + shape[axis])]
    return x


def backward_by(
    xp: Namespace, f: Callable[..., Arrays], stages: tuple[Stage, ...], dout: Array, *others: Labels
) -> Arrays:
    """`f(dout, *others)`; some examples at a time where what it makes on its way, or cuts off, stays in the cache."""
    (first, *more), *others_of_them = stages
    at_once = not others_of_them and not any(each.before or each.after for _, each in (first, *more))
    return f(dout, *others) if at_once else xp.by_examples(f, dout, *others)


def operations(params: Unit, x: Shape, out: Shape, *, size: Each, stride: Each, padding: Margins) -> tuple[int, int]:
    """One for each number of each window, forward and backward, stage by stage."""
    lengths, total = list(x), 0
    for stage in stages(len(x) - 2, size, stride, padding):
        for axis, _ in stage:
            lengths[axis] = out[axis]
        total += math.prod(each.size for _, each in stage) * math.prod(lengths)
    return total, total
