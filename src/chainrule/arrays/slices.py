"""Slices along one axis."""


def along(axes: int, axis: int, start: int, stop: int, stride: int = 1) -> tuple[slice, ...]:
    """The index of `start:stop:stride` along one of some axes, and of all that is along the others."""
    everything = slice(None)
    return (*(everything,) * axis, slice(start, stop, stride), *(everything,) * (axes - axis - 1))
