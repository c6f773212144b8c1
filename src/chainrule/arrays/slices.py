"""Slices along an axis, and windows along some of them."""

from functools import lru_cache
from itertools import product
from typing import NamedTuple


class Steps(NamedTuple):
    """Windows along an axis: the k-th numbers of all of them are the slice `k::stride`."""

    axis: int
    size: int
    """The numbers of a window."""
    stride: int
    """The distance between the beginnings of neighbouring windows."""
    length: int
    """The length of the axis; numbers at its end may be in no window."""


def along(axes: int, axis: int, start: int, stop: int) -> tuple[slice, ...]:
    """The index of `start:stop` along one of some axes, and of all that is along the others."""
    everything = slice(None)
    return (*(everything,) * axis, slice(start, stop), *(everything,) * (axes - axis - 1))


@lru_cache(maxsize=64)
def taps(shape: tuple[int, ...], steps: tuple[Steps, ...]) -> tuple[tuple[tuple[slice, ...], bool], ...]:
    """For each place in windows along some axes, in row-major order, where it lies in all of them.

    The shape is that of an array with a number for each window. The slices index an array with all places; the flag of
    each tells if no earlier one had any of its places.
    """
    found: list[tuple[tuple[slice, ...], bool]] = []
    for place in product(*(range(each.size) for each in steps)):
        index = [slice(None)] * len(shape)
        for k, each in zip(place, steps, strict=True):
            index[each.axis] = slice(k, k + (shape[each.axis] - 1) * each.stride + 1, each.stride)
        found.append((tuple(index), all(k < each.stride for k, each in zip(place, steps, strict=True))))
    return tuple(found)
