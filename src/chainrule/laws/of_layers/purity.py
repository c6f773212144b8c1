"""The laws of purity: no argument is written to, read-only ones do as well, and a call gives the same each time."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._drawn import DRAWN, is_drawn
from chainrule.laws.of_layers._watched import written_while_called
from chainrule.laws.of_layers.layouts import DENSE, FORTRAN, STRIDED, Layout, laid
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import copied, in_dtype, read_only_copy, same_numbers, writable
from chainrule.laws.trials.parts_in import is_written, parts_in
from chainrule.laws.trials.trial import Checked, Trial, backward_of, draw, run_backward, run_forward

P = TypeVar("P")
C = TypeVar("C")


def arguments_unchanged(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to: `params`, `x`, `cache` and `dout`, all writable, are the same bytes after a call.

    So they are for one row and for many, in float32 and float16, in Fortran's order and with gaps in memory, and while
    the call lasts. So are numbers, lists, dictionaries and records in the cache.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each of the four.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.arguments_unchanged(affine, params, x, rng))
    True
    """
    verdicts: dict[str, str] = {}
    lasting: dict[str, str] = {}
    for case, own, given, layouts in _cases(params, Trial.of(layer, writable(params), x)):
        try:
            for name, words in _written(layer, laid(own, layouts[0]), laid(given, layouts[1]), rng, layouts[1]):
                verdicts.setdefault(name, f"the call {words}{case}")
            for name in written_while_called(layer, own, given, rng, layouts):
                lasting.setdefault(name, f"the call wrote to {name} while it lasted, and put it back{case}")
        except Exception:
            if not case:
                raise
            continue  # it refuses this x, which is an answer
    verdicts = lasting | verdicts
    return [
        Verdict("arguments_unchanged", name, ok=name not in verdicts, note=verdicts.get(name, ""))
        for name in ("params", "x", "cache", "dout")
    ]


def _cases(params: Any, trial: Trial) -> Iterator[tuple[str, Any, Any, tuple[Layout, Layout]]]:
    """The arguments of calls after words for them, with the layouts of the parameters, and of x and `dout`.

    Those that take the longest, as sums in float16 do, have few rows if the layer is large.
    """
    x, few, usual = trial.x, trial.fewer, (DENSE, DENSE)
    for case, given in {"": x, **rows_of(x)}.items():
        yield case, params, given, usual
    for dtype, some in ((np.float32, x), (np.float16, few)):
        with np.errstate(all="ignore"):
            narrow = in_dtype((params, some), dtype)
        yield f" in {dtype.__name__}", *narrow, usual
    if is_numpy(x) and x.dtype.kind == "f":
        every_third = np.arange(x.size).reshape(x.shape) % 3 == 0
        yield " for x with zeros", params, np.where(every_third, np.zeros((), x.dtype), x), usual
    yield ", where arrays are in Fortran's order", params, few, (FORTRAN, FORTRAN)
    yield ", where arrays have gaps in memory", params, few, (STRIDED, STRIDED)
    yield f", where {trial.names.x} and {trial.names.dout} have gaps in memory", params, few, (DENSE, STRIDED)


def _written(
    layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator, layout: Layout
) -> Iterator[tuple[str, str]]:
    before = [copied(tree.leaves(value)) for value in (params, x)]
    could = [[leaf.flags.writeable for leaf in tree.leaves(value)] for value in (params, x)]
    out, cache = layer.forward(params, x)
    dout = laid(draw(np.asarray(out), rng), layout)
    saved = list(arrays_in(cache))  # what backward computes once and keeps comes on top
    kept = [copied(saved), copied([dout])]
    seen = [parts_in(cache)]
    for slope in (dout, laid(np.zeros_like(dout), layout)):
        with suppress(Exception) if slope is not dout else nullcontext():  # other laws say what is wrong with zeros
            for call in (layer.grads,) if isinstance(layer, Encoder) else (layer.backward, layer.grads):
                call(cache, slope)
                seen.append(parts_in(cache))
    if any(map(is_written, seen, seen[1:])):
        yield "cache", "wrote to what is no array in cache"
    pairs = {"params": (tree.leaves(params), before[0]), "x": (tree.leaves(x), before[1])}
    pairs |= {"cache": (saved, kept[0]), "dout": ([dout], kept[1])}
    for name, (now, then) in pairs.items():
        if len(now) != len(then) or not all(map(same_numbers, now, then)):
            yield name, f"wrote to {name}"
    writeable = {"params": could[0], "x": could[1], "dout": [True]}
    for name, then_writeable in writeable.items():
        if then_writeable != [leaf.flags.writeable for leaf in pairs[name][0]]:
            yield name, f"made {name} read-only, which is the caller's"


def read_only_accepted(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Read-only arguments work, give the same bits, and stay read-only.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For forward and backward.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.read_only_accepted(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    backward = run_backward(layer, cache, dout)
    frozen: dict[str, Any] = {"params": read_only_copy(params), "x": read_only_copy(x), "dout": read_only_copy(dout)}
    frozen_out, frozen_cache = layer.forward(frozen["params"], frozen["x"])
    opened = {"out": _made_writable(frozen), "backward": ""}
    saved = [array for array in arrays_in(frozen_cache) if array.flags.writeable]
    try:
        for array in saved:
            array.flags.writeable = False
        frozen_backward = backward_of(layer, frozen_cache, frozen["dout"])
        opened["backward"] = "" if opened["out"] else _made_writable(frozen)
        zeros = np.zeros_like(dout)
        if _goes_back(layer, cache, zeros):  # it may write the zeros that are there already
            backward_of(layer, frozen_cache, read_only_copy(zeros))
    finally:
        # Of the layer's own perhaps, which other calls write to; a view after what it is of.
        for array in sorted(saved, key=lambda array: array.base is not None):
            array.flags.writeable = True
    pairs = {"out": (out, frozen_out), "backward": (backward, frozen_backward)}
    notes = {name: opened[name] or ("" if tree.equal(*pair) else OTHERS) for name, pair in pairs.items()}
    return [Verdict("read_only_accepted", name, not note, note) for name, note in notes.items()]


OTHERS = "with arguments that are read-only it gives other numbers: are they random, or left from an earlier call?"
"""The words for results that differ though the arguments are the same."""


def _made_writable(frozen: dict[str, Any]) -> str:
    """The fault of a call that may write to read-only arguments from now on, in words."""
    opened = [name for name, value in frozen.items() if any(leaf.flags.writeable for leaf in tree.leaves(value))]
    return f"the call made {opened[0]} writable, which the caller had made read-only" if opened else ""


def _goes_back(layer: Checked[P, C], cache: C, dout: Array) -> bool:
    try:
        backward_of(layer, cache, dout)
    except Exception:  # other laws say what is wrong with zeros
        return False
    return True


def repeatability(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The same call gives the same bits, however often and whatever is called in between.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For forward and backward.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.repeatability(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    out = writable(out)
    dout = draw(out, rng)
    first = writable(run_backward(layer, cache, dout))
    other, other_cache = run_forward(layer, params, tree.map(_backwards, x))
    run_backward(layer, other_cache, draw(other, rng))
    same_backward = tree.equal(first, run_backward(layer, cache, dout))
    same_out = tree.equal(out, run_forward(layer, params, x)[0])
    changed = "a call depends on the calls before it: is something stored outside the cache?"
    if not (same_out and same_backward) and is_drawn(layer, params, x, dout):
        changed = DRAWN
    return [
        Verdict("repeatability", "out", same_out, "" if same_out else changed),
        Verdict("repeatability", "backward", same_backward, "" if same_backward else changed),
    ]


def _backwards(leaf: Array) -> Array:
    return leaf[::-1] if leaf.ndim else leaf
