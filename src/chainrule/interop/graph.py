"""The cache of a function of another library: what the library keeps to differentiate it."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from chainrule.arrays.types import Array

SMALL = 2**16
"""Up to so many numbers, threads of torch take longer to meet than they save, up to twenty times as long."""


@contextmanager
def on_one_thread(library: str, size: int) -> Generator[None]:
    """A context in which torch has one thread, if a function of its own is called with so few numbers."""
    torch: Any = sys.modules.get("torch") if library == "torch" and size <= SMALL else None
    if torch is None or torch.get_num_threads() == 1:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@frozen(eq=False)
class Graph:
    """The cache of forward: the graph that the library has recorded. `tree` finds no arrays in it.

    It may be used as often as you like. It can't be pickled.

    `pull(dout, wants_dx)` gives `(dx, grads)`, with None for a `dx` that is not wanted.
    """

    pull: Callable[[Array, bool], tuple[Any, Any]]


@frozen(eq=False)
class Function:
    """The forward of a layer that is a function of another library, and how that is called in code.

    `in_code` gives the call of `f`, with what `write` makes of its arguments, after the lines of `start`, in which
    `{dtype}` is a dtype. Another function may stand for `value` where its derivative is asked for. It is `traced` if
    the library takes longer by far for what backward needs than for the value, at each call. `others` are the names of
    its arguments by position beside x, where they are known. `reads_beyond` tells whether f asks for an entry beyond
    the end of an array, where the library gives it another one and does not refuse. `check_params` refuses parameters
    that are not those of f, which is then not to blame.
    """

    run: Callable[[Any, Any], tuple[Any, Graph]]
    library: str
    in_code: Callable[[Any, Any, Callable[[Any], str]], str]
    start: tuple[str, ...] = ()
    f: Any = None
    name: str = ""
    value: Callable[[Any, Any], Any] | None = None
    traced: bool = False
    others: tuple[str, ...] = ()
    reads_beyond: Callable[[Any, Any], bool] | None = None
    check_params: Callable[[Any, Any], None] | None = None

    def __call__(self, params: Any, x: Any) -> tuple[Any, Graph]:
        """Call the function and keep what the library has recorded."""
        return self.run(params, x)


def backward(cache: Graph, dout: Array) -> tuple[Any, Any]:
    """`(dx, grads)`."""
    return cache.pull(dout, True)


def grads(cache: Graph, dout: Array) -> Any:
    """The gradients of the parameters alone."""
    return cache.pull(dout, False)[1]
