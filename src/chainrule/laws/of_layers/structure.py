"""The law of structure: results are like what they are the derivatives of."""

from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.trial import Checked, draw, run_backward, run_forward

P = TypeVar("P")
C = TypeVar("C")


def structure(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`dx` is like `x`, and `grads` like `params`: structure, shapes and dtypes; `out` and the cache keep the dtype.

    An encoder's `out` has the dtype of its parameters. What a layer in half precision saves may be float32.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on, in its own dtype.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For `out`, the cache, `dx` and each array of `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.structure(affine, params, x, rng))
    True
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    dtype = dtype_of(layer, params, x)
    verdicts = [] if dx is None else [like_argument("structure", "dx", dx, x)]
    verdicts += [_has_dtype("out", out, *dtype), _not_promoted(cache, params, x)]
    alone = layer.grads(cache, dout.copy())
    for name, given in (("grads", grads), ("grads()", alone)):
        try:
            tree.map(_first, params, given)
        except (TypeError, ValueError) as error:
            expected, got = describe(params), describe(given)
            kinds = f": {expected}, got {got}" if got != expected else ""  # else the entries differ, as the error says
            note = f"grads must have the type and fields of params{kinds}: {error}"
            return [*verdicts, Verdict("structure", "grads", ok=False, note=note)]
        pairs = zip(tree.named_leaves(params), tree.leaves(given), strict=True)
        verdicts += [like_argument("structure", f"{name}{path}", g, like) for (path, like), g in pairs]
    return verdicts


def like_argument(law: str, name: str, got: Any, like: Array) -> Verdict:
    """The verdict on the shape and dtype of a result, which is an ordinary array unless its argument is another."""
    ok = describe(got) == describe(like)  # a NumPy scalar is as good as a 0-d array
    if ok and is_numpy(got) and type(got) not in (np.ndarray, type(like)):
        return Verdict(law, name, ok=False, note=f"is a {type(got).__name__}, expected an ordinary array")
    return Verdict(law, name, ok, "" if ok else f"is {describe(got)}, expected {describe(like)}")


def _first(param: Array, grad: Array) -> Array:
    return param


def _not_promoted(cache: object, params: object, x: object) -> Verdict:
    """The verdict on the floats of a cache: none are wider than those of the arguments, or than float32."""
    given = [leaf.dtype for leaf in tree.leaves((params, x)) if leaf.dtype.kind == "f"]
    widest = np.result_type(np.float32, *given)
    wide = [array for array in arrays_in(cache) if array.dtype.kind == "f" and array.dtype.itemsize > widest.itemsize]
    note = f"holds {describe(wide[0])}, wider than the arguments" if wide else ""
    return Verdict("structure", "cache", ok=not wide, note=note)


def _has_dtype(name: str, got: Array, dtype: np.dtype[Any], of: str) -> Verdict:
    ok = got.dtype == dtype
    return Verdict("structure", name, ok, "" if ok else f"is {got.dtype} for {of} of {dtype}")


def dtype_of(layer: Checked[Any, Any], params: object, x: Any) -> tuple[np.dtype[Any], str]:
    """The dtype that a layer computes in, and the name of the argument that has it."""
    if isinstance(layer, Encoder):
        return next(leaf.dtype for leaf in tree.leaves(params) if leaf.dtype.kind == "f"), "params"
    return x.dtype, "an x"
