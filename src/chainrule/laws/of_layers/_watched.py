"""Arrays that notice writes, and the arguments that calls write to while they last."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.laws.trials.trial import Checked, Trial, draw, run_forward


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
        """As that of an array."""
        self.notice()
        super().fill(value)

    def sort(self, *arguments: Any, **options: Any) -> None:
        """As that of an array."""
        self.notice()
        super().sort(*arguments, **options)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        for each in (*out, *(inputs[:1] if method == "at" else ())):
            if isinstance(each, Watched):
                each.notice()
        if out:
            options["out"] = tuple(map(_plain, out))
        return getattr(ufunc, method)(*map(_plain, inputs), **options)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def watched(a: Array) -> Watched:
    """A copy that notices writes."""
    made = a.copy().view(Watched)
    made.origin, made.written = made.view(np.ndarray), []
    return made


def written_while_called(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> Iterator[str]:
    """The names of arguments that are written to while a call lasts, whatever is in them afterwards.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import relu
    >>> from chainrule.laws.of_layers._watched import written_while_called
    >>> list(written_while_called(relu, (), np.ones(3), np.random.default_rng(0)))
    []
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    with contextlib.suppress(Exception):
        given = watched(x) if is_numpy(x) else tree.map(watched, x)
        layer.forward(params, given)
        watching: list[Any] = list(tree.leaves(given))
        if any(leaf.written for leaf in watching):
            yield "x"
    with contextlib.suppress(Exception):
        slope = watched(dout)
        Trial(layer, params, x, out, cache).back_as_laid_out(slope)
        layer.grads(cache, slope)
        if slope.written:
            yield "dout"
