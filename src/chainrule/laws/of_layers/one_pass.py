"""A rule gives in one pass what the pair of its layer gives."""

from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.ownership import borrowed
from chainrule.checking.verdict import Verdict, compare, one_each
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.trial import Checked, draw, run_backward, run_forward
from chainrule.rules.passes import in_pass

P = TypeVar("P")
C = TypeVar("C")


def one_pass(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The rule of a layer has the results of the pair, to the last bit, and writes to no borrowed array.

    It is run on borrowed arrays, and on arrays that it may write to, as between two layers of a pass.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For arguments, `out`, `dx` and each array of `grads`; none if the layer has no rule.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.one_pass(affine, params, x, rng))
    True
    """
    if layer.rule is None:
        return []
    xp = in_pass(x, params)
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    dx, grads = run_backward(layer, cache, dout)
    before = writable((params, x, dout))
    verdicts: list[Verdict] = []
    for x_given, dout_given in ((borrowed(x), borrowed(dout)), (writable(x), dout.copy())):
        again, saved = layer.rule.forward(xp, params, x_given)
        verdicts.append(compare("one_pass", "out", again.copy(), out, 0.0))
        back, slopes = layer.rule.backward(xp, saved, dout_given, True)
        pairs = [] if dx is None else [("dx", np.asarray(back), dx)]
        _, alone = layer.rule.backward(xp, layer.rule.forward(xp, params, borrowed(x))[1], borrowed(dout), False)
        for found in (slopes, alone):
            named = zip(tree.named_leaves(grads), tree.leaves(found), strict=True)
            pairs += [(f"grads{path}", got, right) for (path, right), got in named]
        verdicts += [compare("one_pass", name, got, expected, 0.0) for name, got, expected in pairs]
    untouched = tree.equal(before, (params, x, dout))
    note = "" if untouched else "it wrote to what it was lent"
    return [Verdict("one_pass", "arguments", untouched, note), *one_each(verdicts)]
