"""The backends of a check's arrays: the things that `check_against` does to arrays of NumPy, of torch and of JAX.

The verdicts are computed in NumPy's float64. JAX functions are given NumPy arrays, of which `as_layer` makes JAX's.
"""

import contextlib
import warnings
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule.arrays.types import is_numpy
from chainrule.laws.of_layers.layouts import MATRIX, layouts_of
from chainrule.laws.trials.junk import empty_holds, leave

Real: TypeAlias = NDArray[Any]


@frozen
class Format:
    """A format of floats: its relative rounding error, its smallest number, its largest, and the power of 2 of half."""

    unit: float
    least: float
    largest: float
    half: int
    """Numbers of 2^-half to 2^half may be multiplied with each other."""

    @property
    def is_low(self) -> bool:
        """True of 16 bits: long sums are then to be made in float32. In that, they differ by the order of the terms."""
        return self.unit > FORMATS["float32"].unit


FORMATS = {
    "float64": Format(2.0**-53, 2.0**-1074, float(np.finfo(np.float64).max), 500),
    "float32": Format(2.0**-24, 2.0**-149, float(np.finfo(np.float32).max), 60),
    "float16": Format(2.0**-11, 2.0**-24, 65504.0, 6),
    "bfloat16": Format(2.0**-8, 2.0**-133, 3.3895313892515355e38, 60),
}


def dtype_name(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def is_float(array: Any) -> bool:
    return dtype_name(array) in FORMATS


def values(array: Any) -> Real:
    """The numbers of an array, in NumPy's float64."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        return np.array((array.double() if is_float(array) else array).numpy())
    made = np.array(array)
    return made.astype(np.float64) if dtype_name(made) in FORMATS else made


class NumPy:
    def layouts_of(self, axes: int) -> dict[str, Callable[[Any], Any]]:
        """Other places in memory for the same numbers, of arrays with at most so many axes."""
        return layouts_of(axes)

    def like(self, numbers: Real, array: Any) -> Any:
        return np.asarray(numbers).astype(array.dtype)

    def wide(self, array: Any) -> Any:
        """A copy in float64, if it is one of floats."""
        return array.astype(np.float64) if is_float(array) else array.copy()

    def copy(self, array: Any) -> Any:
        return np.array(array, order="C")

    def take(self, array: Any, rows: Real) -> Any:
        return array[rows]

    def columns(self, array: Any, which: Real) -> Any:
        return array[..., which]

    def expanded(self, array: Any, axis: int) -> Any:
        """The first numbers along an axis, in place of all others there, which have no memory of their own."""
        return np.broadcast_to(np.take(array, [0], axis), array.shape)

    def broadcast(self, array: Any) -> Any:
        """Ones of the shape of an array that are one number in memory, as `sum().backward()` gives them."""
        return np.broadcast_to(np.ones((), array.dtype), array.shape)

    def bits(self, array: Any) -> bytes:
        return np.ascontiguousarray(array).tobytes()

    def written(self, array: Any) -> int:
        """The number of times that somebody has written to an array, where that is counted."""
        return 0

    def change(self, array: Any) -> None:
        array[...] = -3

    def renew(self, array: Any) -> None:
        """Write other numbers into an array of floats that can be written to: its own, one place further along."""
        if is_float(array) and array.flags.writeable:
            array[...] = np.roll(array, 1, axis=-1) if array.ndim else array * array.dtype.type(1.25)

    @contextlib.contextmanager
    def junk(self, arrays: list[Any]) -> Generator[None, None, None]:
        """Have `np.empty` give NaN, and leave NaN in the memory that is free."""
        leave(np.nan, [(array.shape, array.dtype) for array in arrays])
        with empty_holds(np.nan):
            yield


class OfJAX(NumPy):
    """Arrays of NumPy for a function of JAX, whose own have one layout, can't be written to and are never unwritten."""

    def layouts_of(self, axes: int) -> dict[str, Callable[[Any], Any]]:
        return {}


class Torch:
    def __init__(self) -> None:
        self.torch: Any = import_module("torch")

    def layouts_of(self, axes: int) -> dict[str, Callable[[Any], Any]]:
        every = {
            "a Fortran-ordered": _reversed_axes,
            "a strided": _strided,
            "a row-padded": _padded,
            "an offset": _offset,
        }
        return every | ({"an axis-permuted": _permuted} if axes > MATRIX else {})

    def like(self, numbers: Real, array: Any) -> Any:
        return self.torch.tensor(np.array(numbers), device=array.device).to(array.dtype)

    def wide(self, array: Any) -> Any:
        return array.detach().double() if is_float(array) else array.detach().clone()

    def copy(self, array: Any) -> Any:
        return array.detach().clone(memory_format=self.torch.contiguous_format)

    def take(self, array: Any, rows: Real) -> Any:
        return array.detach()[self.torch.as_tensor(rows, device=array.device)]

    def columns(self, array: Any, which: Real) -> Any:
        return array.detach()[..., self.torch.as_tensor(which, device=array.device)]

    def expanded(self, array: Any, axis: int) -> Any:
        return array.narrow(axis, 0, 1).contiguous().expand(array.shape)

    def broadcast(self, array: Any) -> Any:
        return self.torch.ones((), dtype=array.dtype, device=array.device).expand(array.shape)

    def bits(self, array: Any) -> bytes:
        flat = array.detach().cpu().contiguous().reshape(-1)
        return bytes(flat.view(self.torch.uint8).numpy().tobytes()) if flat.numel() else b""

    def written(self, array: Any) -> int:
        """The number of times that torch has written to a tensor."""
        count: int = array._version  # noqa: SLF001  # torch has no other name for it
        return count

    def change(self, array: Any) -> None:
        array.fill_(-3)

    def renew(self, array: Any) -> None:
        if is_float(array):
            array.copy_(array.roll(1, -1) if array.ndim else array * 1.25)

    @contextlib.contextmanager
    def junk(self, arrays: list[Any]) -> Generator[None, None, None]:
        torch = self.torch
        before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        filled = torch.utils.deterministic.fill_uninitialized_memory
        held = [torch.full_like(array, float("nan") if is_float(array) else 1) for array in arrays for _ in range(8)]
        held.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.use_deterministic_algorithms(True, warn_only=True)
                torch.utils.deterministic.fill_uninitialized_memory = True
                yield
            finally:
                torch.use_deterministic_algorithms(before[0], warn_only=before[1])
                torch.utils.deterministic.fill_uninitialized_memory = filled


Backend: TypeAlias = NumPy | Torch


def _reversed_axes(array: Any) -> Any:
    axes = tuple(reversed(range(array.ndim)))
    return array.permute(axes).contiguous().permute(axes)


def _strided(array: Any) -> Any:
    """Every second number of a wider tensor, between NaN."""
    wide = array.new_full((*array.shape, 2), float("nan") if is_float(array) else 1)
    wide[..., 0] = array
    return wide[..., 0]


def _padded(array: Any) -> Any:
    """The first columns of a wider tensor, whose others are NaN."""
    if not array.ndim:
        return array
    columns = array.shape[-1]
    wide = array.new_full((*array.shape[:-1], columns + 3), float("nan") if is_float(array) else 1)
    wide[..., :columns] = array
    return wide[..., :columns]


def _offset(array: Any) -> Any:
    """The end of a longer memory, from an odd place on."""
    memory = array.new_full((array.numel() + 5,), float("nan") if is_float(array) else 1)
    memory[5:] = array.reshape(-1)
    return memory[5:].view(array.shape)


def _permuted(array: Any) -> Any:
    """The leading axes in another order in memory, as heads and positions are, with NaN behind it.

    Parameters of fewer axes stay as they are.
    """
    if array.ndim <= MATRIX:
        return array
    turned, size = array.transpose(0, 1), array.numel()
    memory = array.new_full((size * (1 + min(array.shape[0], 64)),), float("nan") if is_float(array) else 1)
    memory[:size] = turned.reshape(-1)
    return memory[:size].view(turned.shape).transpose(0, 1)


def library_of(subjects: tuple[object, ...], arrays: list[Any]) -> str:
    """The library of the arrays, and if they are NumPy's, that of the function."""
    kinds = [_library(type(array)) for array in arrays]
    kinds += [_library(base) for subject in subjects for base in _classes(subject)]
    return next((name for name in ("torch", "jax") if name in kinds), "numpy")


def _classes(subject: object) -> Iterator[type]:
    yield from type(subject).__mro__
    own: tuple[type, ...] = getattr(subject, "__mro__", ())
    yield from own


def _library(kind: Any) -> str:
    name = str(kind.__module__).partition(".")[0]
    return {"jaxlib": "jax"}.get(name, name)


def backend_of(library: str, arrays: list[Any]) -> Backend:
    if library == "torch" and not all(is_numpy(array) for array in arrays):
        return Torch()
    return OfJAX() if library == "jax" else NumPy()
