"""`grads` without `dx` gives what backward gives, for every `dout`, dtype and number of rows."""

import math
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws.of_layers._kinds_of_dout import OF_GRADS, Kind
from chainrule.laws.of_layers._resized import of_other_lengths
from chainrule.laws.of_layers.derivative import noted
from chainrule.laws.of_layers.layouts import LAYOUTS
from chainrule.laws.of_layers.linearity import least_of
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.of_layers.sizes import TWO_AXES, in_two_axes, may_have_two_axes
from chainrule.laws.of_layers.structure import dtype_of
from chainrule.laws.trials.copies import copied, in_dtype, same_numbers
from chainrule.laws.trials.trial import Checked, Trial, draw, measured, run_backward, run_forward
from chainrule.layer import Layer, derives_grads

P = TypeVar("P")
C = TypeVar("C")

KINDS: dict[str, Kind] = {"": np.copy, **LAYOUTS, **OF_GRADS}
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
    few, (own, _) = trial.fewer, dtype_of(layer, params, x)
    found: list[Verdict] = []
    others = rows_of(x) if tree.leaves(params) else {}
    for case, given in {"": x, **others}.items():
        for dtype in (np.float64, np.float32, np.float16):
            for name, kind in (KINDS if dtype == np.float64 else {"": np.copy}).items():
                words = f"{case} in {np.dtype(dtype).name}" + (f", with {name} dout" if name else "")
                try:
                    used = in_dtype(few if dtype == np.float16 and not case else given, dtype)
                    both = Gradients.of(layer, in_dtype(params, dtype), used, kind, rng)
                    found += both.verdicts(trial.noise, own, words.strip(" ,"))
                except Exception:
                    if not (case or name) and dtype == np.float64:
                        raise
                    continue  # it refuses this, which is an answer
    if not derives_grads(layer):
        found += _of_other_lengths(layer, trial, rng)
    return one_each(found) or [Verdict("grads_without_dx", "grads", ok=True)]


def _of_other_lengths(layer: Checked[Any, Any], trial: Trial, rng: np.random.Generator) -> list[Verdict]:
    found: list[Verdict] = []
    others = of_other_lengths(trial.params, trial.x, rng)
    if isinstance(layer, Layer) and may_have_two_axes(layer, trial.x):
        others[f"for an x {TWO_AXES}"] = trial.params, in_two_axes(trial.x)
    for words, (params, x) in others.items():
        with suppress(Exception):  # it refuses these lengths, as another law says where it should not
            gradients = Gradients.of(layer, params, x, np.copy, rng)
            found += gradients.verdicts(trial.noise, np.dtype(np.float64), words)
    return found


@frozen(eq=False)
class Gradients:
    """The gradients for a `dout`, by `backward` and by `grads`, and for a usual one, which is as small.

    `of_sizes` are for a `dout` of one sign, in which terms add up that may cancel else; `shared` says which memory
    `alone` shares.
    """

    out: Array
    usual: Array
    by_backward: Any
    alone: Any
    of_usual: Any
    of_sizes: Any
    shared: str

    @classmethod
    def of(cls, layer: Checked[Any, Any], params: Any, x: Any, kind: Kind, rng: np.random.Generator) -> "Gradients":
        """Run forward once, and back for a kind of `dout`, for the usual one, and for one of one sign."""
        with np.errstate(all="ignore"):
            out, cache = run_forward(layer, params, x)
            usual = draw(out, rng)
            dout = kind(usual)
            usual = usual * _share(dout, usual)
            of_size = np.abs(np.nan_to_num(kind(np.abs(usual)), posinf=0.0))
            by_backward, of_usual, of_sizes = (run_backward(layer, cache, each)[1] for each in (dout, usual, of_size))
            alone = layer.grads(cache, dout)
        return cls(out, usual, by_backward, alone, of_usual, of_sizes, _sharing(layer, cache, dout, alone))

    def verdicts(self, noise: float, own: np.dtype[Any], words: str) -> list[Verdict]:
        """The verdicts for a function of some noise, whose own dtype is what the arguments had."""
        by_backward, alone = self.by_backward, self.alone
        wrong = partial(Verdict, "grads_without_dx", ok=False)
        if self.shared:
            return [wrong("grads", note=self.shared)]
        if type(alone) is not type(by_backward) or len(tree.leaves(alone)) != len(tree.leaves(by_backward)):
            return [wrong("grads", note=f"backward gives {describe(by_backward)}, grads {describe(alone)}")]
        bound, least = self._bound(noise), self._least()
        narrowed = own == np.float64 and self.out.dtype != own  # else another law says what is promoted
        verdicts: list[Verdict] = []
        others = map(tree.leaves, (alone, self.of_usual))
        for (path, g), a, moves in zip(tree.named_leaves(by_backward), *others, strict=True):
            name, got, expected = f"grads{path}", np.asarray(a), np.asarray(g)
            verdict = compare("grads_without_dx", name, got, expected, bound, least=least)
            if verdict.ok and narrowed and got.dtype != expected.dtype:
                verdicts.append(wrong(name, note=f"it is {got.dtype}, that of backward {expected.dtype}"))
            elif verdict.ok and (np.isnan(expected) & ~np.isnan(got) & (np.asarray(moves) != 0)).any():
                verdicts.append(wrong(name, note=f"{words}: a nan of backward is a number"))
            else:
                verdicts.append(noted(verdict, words))
        return verdicts

    def _bound(self, noise: float) -> float:
        """The relative error that the order of a sum over rows may make."""
        dtype, rows = self.out.dtype, len(self.out) if self.out.ndim else 1
        bound = max((32 if dtype.itemsize < 4 else 1000) * float(np.finfo(dtype).eps), 1000 * noise)
        return bound * math.sqrt(max(1, rows)) if dtype == np.float64 else bound

    def _least(self) -> float:
        """The size of a gradient that counts for nothing beside its terms.

        A sum over rows may happen to be nearly 0, and has the rounding of its terms: so has one for equal rows of dout,
        of which a batch norm leaves nothing; of two rows, of no dout.
        """
        terms = [leaf for each in (self.by_backward, self.of_sizes, self.of_usual) for leaf in tree.leaves(each)]
        return 16 * least_of([np.asarray(leaf) for leaf in (*terms, self.usual)])


def _share(dout: Array, usual: Array) -> float:
    """The power of two that brings a usual `dout` to the size of one that is smaller, and is not 0."""
    known = dout[np.isfinite(dout)]
    size, most = (float(np.abs(each).max(initial=0.0)) for each in (known, usual))
    return math.ldexp(1.0, math.frexp(size)[1] - math.frexp(most)[1]) if 0.0 < size < most else 1.0


def _sharing(layer: Checked[Any, Any], cache: Any, dout: Array, alone: Any) -> str:
    """The memory that gradients share with `dout`, or with those of a later call, in words; "" if with neither."""
    leaves = [leaf for leaf in tree.leaves(alone) if is_numpy(leaf) and leaf.size]
    before = copied(leaves)
    if any(leaf.flags.writeable and np.shares_memory(leaf, dout) for leaf in leaves):
        return "it is writable, and shares memory with dout"
    with np.errstate(all="ignore"):
        layer.grads(cache, -2 * dout)
    return "" if all(map(same_numbers, before, leaves)) else "a later call changes it: is a buffer used again?"
