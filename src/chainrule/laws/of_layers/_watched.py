"""Arrays that notice writes, and the arguments that calls write to while they last."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.laws.of_layers.layouts import DENSE, Layout, laid
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.trial import Checked, Trial, draw, run_forward

P = TypeVar("P")


WRITERS: frozenset[Any] = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask})
"""The functions that write to their first argument."""


class Watched(np.ndarray[Any, np.dtype[Any]]):
    """An array that notices that somebody writes to its memory, even if it is put back.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.laws.of_layers._watched import watched
    >>> array = watched(np.ones(2))
    >>> array[0] = 5.0
    >>> array.written
    ['written']
    """

    origin: Any
    written: list[str]

    def __array_finalize__(self, obj: Any) -> None:
        self.origin, self.written = getattr(obj, "origin", None), getattr(obj, "written", [])

    def notice(self) -> None:
        """Remember a write, unless this is a copy with memory of its own."""
        if self.origin is not None and np.may_share_memory(self, self.origin):
            self.written.append("written")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.notice()
        super().__setitem__(key, value)

    def fill(self, value: Any) -> None:
        self.notice()
        super().fill(value)

    def sort(self, *arguments: Any, **options: Any) -> None:
        self.notice()
        super().sort(*arguments, **options)

    def partition(self, *arguments: Any, **options: Any) -> None:
        self.notice()
        super().partition(*arguments, **options)

    def put(self, *arguments: Any, **options: Any) -> None:
        self.notice()
        super().put(*arguments, **options)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in WRITERS and args and isinstance(args[0], Watched):
            args[0].notice()
        return super().__array_function__(func, types, args, kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        for each in (*out, *(inputs[:1] if method == "at" else ())):
            if isinstance(each, Watched):
                each.notice()
        if out:
            options["out"] = tuple(map(_plain, out))
        return getattr(ufunc, method)(*map(_plain, inputs), **options)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def watched(a: Array, layout: Layout = DENSE) -> Watched:
    made = np.asarray(layout(a)).view(Watched)  # what NumPy computes of a 0-d array is no array
    made.origin, made.written = made.view(np.ndarray), []
    return made


def all_watched(value: P, layout: Layout = DENSE) -> P:
    return laid(value, partial(watched, layout=layout))


def was_written(value: Any) -> bool:
    leaves: list[Any] = list(tree.leaves(value))
    return any(leaf.written for leaf in leaves)


def written_while_called(
    layer: Checked[Any, Any],
    params: Any,
    x: Any,
    rng: np.random.Generator,
    layouts: tuple[Layout, Layout] = (DENSE, DENSE),
) -> Iterator[str]:
    """The names of arguments that are written to while a call lasts, whatever is in them afterwards.

    Copies are used, in the layouts of the parameters, and of x and `dout`, which is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import relu
    >>> from chainrule.laws.of_layers._watched import written_while_called
    >>> list(written_while_called(relu, (), np.ones(3), np.random.default_rng(0)))
    []
    """
    of_params, of_x = layouts
    out, cache = run_forward(layer, writable(params), x)
    dout = draw(out, rng)
    with contextlib.suppress(Exception):
        given = all_watched(x, of_x)
        layer.forward(laid(params, of_params), given)
        if was_written(given):
            yield "x"
    with contextlib.suppress(Exception):
        own = all_watched(params, of_params)
        if tree.leaves(own):
            layer.forward(own, laid(x, of_x))
        if was_written(own):
            yield "params"
    with contextlib.suppress(Exception):
        slope = watched(dout, of_x)
        Trial(layer, params, x, out, cache).back_as_laid_out(slope)
        layer.grads(cache, slope)
        if slope.written:
            yield "dout"
