"""The array libraries that are installed: how to make their arrays, and how to make arrays that nobody can read."""

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from chainrule import tree

Function: TypeAlias = Callable[..., Any]
"""A function of trees of arrays."""


@frozen
class Library:
    """An array library."""

    name: str
    put: Callable[[NDArray[Any]], Any]
    """A NumPy array as one of the library's, cut into chunks where it has chunks."""
    get: Callable[[Any], NDArray[Any]]
    """An array of the library as one of NumPy's."""
    unread: Callable[[Function, tuple[Any, ...]], Any]
    """Call a function of NumPy arrays on arrays of the library whose numbers cannot be read.

    They are on another device, or in a graph that nobody computes.
    """

    run: Callable[[Function, tuple[Any, ...]], Any] = lambda function, inputs: function(*inputs)
    """Call a function that is called often: compiled, where a plain call would compile each operation by itself."""

    compiles: bool = False
    """True if `run` is another call than a plain one."""

    def put_all(self, value: Any) -> Any:
        return tree.map(lambda leaf: self.put(np.array(leaf)), value)

    def get_all(self, value: Any) -> Any:
        return tree.map(self.get, value)


def numpy() -> Library:
    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        return function(*inputs)  # whose numbers are on the host already

    return Library("numpy", np.asarray, np.asarray, unread)


def array_api_strict() -> Library:
    xp: Any = import_module("array_api_strict")
    elsewhere = xp.Device("device1")  # of whose arrays NumPy gets none, and which mix with none of another device

    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        there = tree.map(lambda leaf: xp.asarray(np.array(leaf), device=elsewhere), inputs)
        results = function(*there)
        assert {leaf.device for leaf in tree.leaves(results)} <= {elsewhere}
        return results

    return Library("array_api_strict", xp.asarray, np.asarray, unread)


def torch() -> Library:
    xp: Any = import_module("torch")
    xp.set_num_threads(1)

    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        there = tree.map(lambda leaf: xp.tensor(np.array(leaf)).to("meta"), inputs)  # a device that keeps no numbers
        results = function(*there)
        assert {str(leaf.device) for leaf in tree.leaves(results)} <= {"meta"}
        return results

    return Library("torch", xp.tensor, np.asarray, unread)


def jax() -> Library:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    xp: Any = import_module("jax.numpy")
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)  # JAX makes float32 of float64 otherwise
    import_module("chainrule.interop.jax").register_pytrees()

    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        return jax.eval_shape(function, *tree.map(xp.asarray, inputs))  # traced, as by a compiler

    def run(function: Function, inputs: tuple[Any, ...]) -> Any:
        return jax.jit(function)(*inputs)

    return Library("jax", xp.asarray, np.asarray, unread, run, compiles=True)


def dask() -> Library:
    xp: Any = import_module("dask.array")
    config: Any = import_module("dask").config

    def put(array: NDArray[Any]) -> Any:
        return xp.from_array(array, chunks=tuple(max(1, (side + 1) // 2) for side in array.shape))

    def get(array: Any) -> NDArray[Any]:
        assert isinstance(array, xp.Array)
        computed: NDArray[Any] = np.asarray(array.compute(scheduler="synchronous"))
        return computed

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was computed before anybody asked")

    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        with config.set(scheduler=refuse):
            return function(*tree.map(put, inputs))

    return Library("dask", put, get, unread)


def cupy() -> Library:
    xp: Any = import_module("cupy")

    def unread(function: Function, inputs: tuple[Any, ...]) -> Any:
        device = xp.cuda.Device(xp.cuda.runtime.getDeviceCount() - 1)  # another than the usual one, if there are two
        with device:
            there = tree.map(xp.asarray, inputs)
        results = function(*there)
        assert {leaf.device for leaf in tree.leaves(results)} <= {device}
        return results

    return Library("cupy", xp.asarray, xp.asnumpy, unread)


LIBRARIES = [
    make() for make in (numpy, array_api_strict, torch, jax, dask, cupy) if find_spec(make.__name__) is not None
]
