"""The law of ownership: what is written to `x` or `out` afterwards changes no gradient."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.records import is_record
from chainrule.arrays.types import is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers.rows import LONGEST, rows_of
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.junk import JUNK, empty_holds
from chainrule.laws.trials.trial import Checked, Trial, draw, run_backward

P = TypeVar("P")
C = TypeVar("C")


def ownership(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Writing to `x` or `out` after the forward pass changes no gradient.

    Nor does it in float32 and float16, with other numbers of rows, or for a Fortran-ordered x, which a copy may not be.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `x` and `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.ownership(affine, params, x, rng))
    True
    """
    verdicts: list[Verdict] = []
    others: dict[str, tuple[Any, Callable[[], Any]]] = {}
    for dtype in (np.float32, np.float16):
        some = Trial.of(layer, params, x).fewer if dtype == np.float16 else x
        narrow = in_dtype(params, dtype), in_dtype(some, dtype)
        if not tree.equal(narrow, (params, x)):
            others[f"in {dtype.__name__}"] = narrow[0], partial(writable, narrow[1])
    for words, given in rows_of(x, LONGEST).items():  # whoever copies may do it for few numbers alone
        others[words.lstrip(" ,")] = params, partial(writable, given)
    if is_numpy(x) and x.ndim > 1:
        others["for a Fortran-ordered x"] = params, partial(np.array, x, order="F")
    with empty_holds(JUNK):  # what is never written stays as it is
        for name in ("x", "out"):
            verdict = _owned(layer, params, writable(x), name, rng)
            for words, (own, given) in others.items():
                if not verdict.ok:
                    break
                with suppress(Exception):  # it refuses these, which is an answer
                    other = _owned(layer, own, given(), name, rng)
                    verdict = verdict if other.ok else evolve(other, note=f"{words} {other.note}")
            verdicts.append(verdict)
    return verdicts


def _owned(layer: Checked[P, C], params: P, given: Any, name: str, rng: np.random.Generator) -> Verdict:
    out, cache = layer.forward(params, given)
    dout = draw(out, rng)
    before = writable(run_backward(layer, cache, dout))
    if not tree.equal(before, run_backward(layer, cache, dout)):  # of its own accord, as another law says
        return Verdict("ownership", name, ok=True)
    for array in [] if name == "x" and is_record(given.__class__) else tree.leaves(given if name == "x" else out):
        if array.flags.writeable:
            _overwrite(array)
    ok = tree.equal(before, run_backward(layer, cache, dout))
    note = "" if ok else f"the cache shares the memory of {name}: hold own(x) in it, return read_only(out)"
    return Verdict("ownership", name, ok, note)


def _overwrite(array: Any) -> None:
    """Overwrite with numbers of another size and sign, since a cache may be read for either, or with other labels."""
    array[...] = -2 * array - 0.125 if array.dtype.kind == "f" else array == 0
