"""`grads` without `dx` gives what backward gives, for every `dout`, dtype and number of rows."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws.of_layers._kinds_of_dout import OF_GRADS
from chainrule.laws.of_layers.derivative import noted
from chainrule.laws.of_layers.layouts import LAYOUTS
from chainrule.laws.of_layers.linearity import least_of
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.of_layers.structure import dtype_of
from chainrule.laws.trials.copies import copied, in_dtype, same_numbers
from chainrule.laws.trials.trial import Checked, Trial, draw, measured, run_backward, run_forward

P = TypeVar("P")
C = TypeVar("C")

KINDS: dict[str, Callable[[Array], Array]] = {"": np.copy, **LAYOUTS, **OF_GRADS}
"""Other layouts of a usual dout, and other kinds."""


def grads_without_dx(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`grads(cache, dout)` is the second result of `backward(cache, dout)`.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each array of `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.grads_without_dx(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    few, noise, (own, _) = trial.fewer, trial.noise, dtype_of(layer, params, x)
    found: list[Verdict] = []
    others = rows_of(x) if tree.leaves(params) else {}
    for case, given in {"": x, **others}.items():
        for dtype in (np.float64, np.float32, np.float16):
            for layout, arranged in (KINDS if dtype == np.float64 else {"": np.copy}).items():
                words = f"{case} in {np.dtype(dtype).name}" + (f", with {layout} dout" if layout else "")
                try:
                    used = in_dtype(few if dtype == np.float16 and not case else given, dtype)
                    found += _grads_alone(layer, in_dtype(params, dtype), used, arranged, rng, words, noise, own)
                except Exception:
                    if not (case or layout) and dtype == np.float64:
                        raise
                    continue  # it refuses this, which is an answer
    return one_each(found) or [Verdict("grads_without_dx", "grads", ok=True)]


def _grads_alone(
    layer: Checked[P, C],
    params: P,
    x: Any,
    arranged: Callable[[Array], Array],
    rng: np.random.Generator,
    words: str,
    noise: float,
    own: np.dtype[Any],
) -> list[Verdict]:
    """The verdicts on `grads` for one dtype, number of rows and layout of `dout`."""
    with np.errstate(all="ignore"):
        out, cache = run_forward(layer, params, x)
        usual = draw(out, rng)
        dout = arranged(usual)
        of_size = np.abs(np.nan_to_num(arranged(np.abs(usual)), posinf=0.0))
        grads, of_usual, of_sizes = (run_backward(layer, cache, each)[1] for each in (dout, usual, of_size))
        alone = layer.grads(cache, dout)
    shared = _sharing(layer, cache, dout, alone)
    if shared:
        return [Verdict("grads_without_dx", "grads", ok=False, note=shared)]
    if type(alone) is not type(grads) or len(tree.leaves(alone)) != len(tree.leaves(grads)):
        note = f"backward gives {describe(grads)}, grads {describe(alone)}"
        return [Verdict("grads_without_dx", "grads", ok=False, note=note)]
    eps = float(np.finfo(out.dtype).eps)
    bound = max((32 if out.dtype.itemsize < 4 else 1000) * eps, 1000 * noise)
    if out.dtype == np.float64 and out.ndim:
        bound *= math.sqrt(max(1, len(out)))
    # A sum over rows may happen to be nearly 0, and has the rounding of its terms: so has one for equal rows of dout,
    # of which a batch norm leaves nothing; of two rows, of no dout.
    terms = [leaf for each in (grads, of_sizes, of_usual) for leaf in tree.leaves(each)]
    least = 16 * least_of([np.asarray(leaf) for leaf in (*terms, usual)])
    verdicts: list[Verdict] = []
    for (path, g), a, moves in zip(tree.named_leaves(grads), *map(tree.leaves, (alone, of_usual)), strict=True):
        name, got, expected = f"grads{path}", np.asarray(a), np.asarray(g)
        verdict = compare("grads_without_dx", name, got, expected, bound, least=least)
        if (
            verdict.ok and got.dtype != expected.dtype and own == np.float64 and out.dtype != own
        ):  # else another law says it
            note = f"it is {got.dtype}, that of backward {expected.dtype}"
            verdicts.append(Verdict("grads_without_dx", name, ok=False, note=note))
            continue
        if verdict.ok and (np.isnan(expected) & ~np.isnan(got) & (np.asarray(moves) != 0)).any():
            note = f"{words.strip(' ,')}: a nan of backward is a number"
            verdicts.append(Verdict("grads_without_dx", name, ok=False, note=note))
            continue
        verdicts.append(noted(verdict, words.strip(" ,")))
    return verdicts


def _sharing(layer: Checked[Any, Any], cache: Any, dout: Array, alone: Any) -> str:
    """The memory that gradients share with `dout`, or with those of a later call, in words; "" if with neither."""
    leaves = [leaf for leaf in tree.leaves(alone) if is_numpy(leaf) and leaf.size]
    before = copied(leaves)
    if any(leaf.flags.writeable and np.shares_memory(leaf, dout) for leaf in leaves):
        return "it is writable, and shares memory with dout"
    with np.errstate(all="ignore"):
        layer.grads(cache, -2 * dout)
    return "" if all(map(same_numbers, before, leaves)) else "a later call changes it: is a buffer used again?"
