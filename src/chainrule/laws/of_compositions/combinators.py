"""The laws of composition and of sums. Each takes a combinator, three layers, their parameters and an input.

Composition is associative and has an identity, and the backward of a composition is the composition of the backwards:
the chain rule. All of it holds bit for bit, because the same operations are done in the same order.

The backward of a sum is the sum of the backwards: the sum rule. A sum is commutative bit for bit, and associative but
for rounding.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, compare
from chainrule.layer import Layer

Compose: TypeAlias = Callable[..., Layer[Any, Any]]
Three: TypeAlias = tuple[Any, Any, Any]
CombinatorLaw: TypeAlias = Callable[[Compose, Three, Three, Array, np.random.Generator], list[Verdict]]


def associativity(compose: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """`(f g) h = f (g h) = f g h`: output, dx and all gradients.

    Parameters
    ----------
    compose
        Takes layers and returns a layer whose parameters are the tuple of theirs.
    layers, params
        Three layers that fit each other, and their parameters.
    x
        What goes into the first.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For either bracketing.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, sequential, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.associativity(sequential, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    (f, g, h), (p, q, r) = layers, params
    seed = int(rng.integers(2**32))
    flat = _run(compose(f, g, h), (p, q, r), x, seed)
    left = _run(compose(compose(f, g), h), ((p, q), r), x, seed)
    right = _run(compose(f, compose(g, h)), (p, (q, r)), x, seed)
    return [
        Verdict("associativity", "(f g) h", tree.equal(flat, left)),
        Verdict("associativity", "f (g h)", tree.equal(flat, right)),
    ]


def identity(compose: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """`compose()` before or after a layer, and `compose(f)`, are that layer.

    Parameters
    ----------
    compose, layers, params, x, rng
        As for `associativity`; the first layer is used.

    Returns
    -------
    list[Verdict]
        For each of the three.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, sequential, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.identity(sequential, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    f, p, seed = layers[0], params[0], int(rng.integers(2**32))
    alone = _run(f, p, x, seed)
    return [
        Verdict("identity", "before", tree.equal(alone, _run(compose(compose(), f), ((), p), x, seed))),
        Verdict("identity", "after", tree.equal(alone, _run(compose(f, compose()), (p, ()), x, seed))),
        Verdict("identity", "alone", tree.equal(alone, _run(compose(f), (p,), x, seed))),
    ]


def chain_rule(compose: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The composition does what calling the layers one by one does, forward and back; `grads` too.

    Parameters
    ----------
    compose, layers, params, x, rng
        As for `associativity`.

    Returns
    -------
    list[Verdict]
        For the output, dx, the gradients, and `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, sequential, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.chain_rule(sequential, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    (f, g, h), (p, q, r) = layers, params
    a, cache_f = f.forward(p, x)
    b, cache_g = g.forward(q, a)
    out: Array
    out, cache_h = h.forward(r, b)
    dout = rng.standard_normal(out.shape).astype(out.dtype)
    db, grads_h = h.backward(cache_h, dout)
    da, grads_g = g.backward(cache_g, db)
    dx, grads_f = f.backward(cache_f, da)
    network = compose(f, g, h)
    composed, caches = network.forward(params, x)
    composed_dx, composed_grads = network.backward(caches, dout)
    by_hand = (grads_f, grads_g, grads_h)
    return [
        Verdict("chain_rule", "out", tree.equal(composed, out)),
        Verdict("chain_rule", "dx", tree.equal(composed_dx, dx)),
        Verdict("chain_rule", "gradients", tree.equal(composed_grads, by_hand)),
        Verdict("chain_rule", "grads", tree.equal(network.grads(caches, dout), by_hand)),
    ]


def sum_rule(combine: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The sum does what calling the branches one by one and adding does, forward and back; `grads` too.

    Parameters
    ----------
    combine
        Takes layers and returns a layer whose parameters are the tuple of theirs.
    layers, params
        Three layers that give outputs of one shape, and their parameters.
    x
        What goes into all of them.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For the output, dx, the gradients, and `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, add, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.sum_rule(add, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    outs, caches = zip(*(layer.forward(own, x) for layer, own in zip(layers, params, strict=True)), strict=True)
    out: Array = outs[0] + outs[1] + outs[2]
    dout = rng.standard_normal(out.shape).astype(out.dtype)
    back = [layer.backward(cache, dout) for layer, cache in zip(layers, caches, strict=True)]
    dxs, by_hand = zip(*back, strict=True)
    together = combine(*layers)
    summed, cache = together.forward(params, x)
    dx, grads = together.backward(cache, dout)
    return [
        compare("sum_rule", "out", summed, out, _rounding(out)),
        compare("sum_rule", "dx", dx, dxs[0] + dxs[1] + dxs[2], _rounding(out)),
        Verdict("sum_rule", "gradients", tree.equal(grads, by_hand)),
        Verdict("sum_rule", "grads", tree.equal(together.grads(cache, dout), by_hand)),
    ]


def commutativity(combine: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """`f + g = g + f`, bit for bit: output, dx and gradients.

    Parameters
    ----------
    combine, layers, params, x, rng
        As for `sum_rule`.

    Returns
    -------
    list[Verdict]
        For each.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, add, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.commutativity(add, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    (f, g, _), (p, q, _), seed = layers, params, int(rng.integers(2**32))
    out, dx, *grads = _run(combine(f, g), (p, q), x, seed)
    other, other_dx, *swapped = _run(combine(g, f), (q, p), x, seed)
    count = len(tree.leaves(p))
    return [
        Verdict("commutativity", "out", tree.equal(out, other)),
        Verdict("commutativity", "dx", tree.equal(dx, other_dx)),
        Verdict("commutativity", "gradients", tree.equal(tuple(grads), tuple(swapped[-count:] + swapped[:-count]))),
    ]


def sums_in_brackets(
    combine: Compose, layers: Three, params: Three, x: Array, rng: np.random.Generator
) -> list[Verdict]:
    """`f` alone is its own sum, bit for bit, and `(f + g) + h = f + (g + h)` but for rounding.

    Parameters
    ----------
    combine, layers, params, x, rng
        As for `sum_rule`.

    Returns
    -------
    list[Verdict]
        For one branch, and for output and dx of three.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, add, relu, sigmoid, tanh
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3))
    >>> all(verdict.ok for verdict in laws.sums_in_brackets(add, (relu, sigmoid, tanh), ((), (), ()), x, rng))
    True
    """
    (f, g, h), (p, q, r), seed = layers, params, int(rng.integers(2**32))
    alone = tree.equal(_run(f, p, x, seed), _run(combine(f), (p,), x, seed))
    left = _run(combine(combine(f, g), h), ((p, q), r), x, seed)
    right = _run(combine(f, combine(g, h)), (p, (q, r)), x, seed)
    return [
        Verdict("sums_in_brackets", "alone", alone),
        compare("sums_in_brackets", "out", left[0], right[0], _rounding(left[0])),
        compare("sums_in_brackets", "dx", left[1], right[1], _rounding(left[1])),
    ]


ADDITION_LAWS: dict[str, CombinatorLaw] = {
    "sum_rule": sum_rule,
    "commutativity": commutativity,
    "sums_in_brackets": sums_in_brackets,
}
"""All laws of sums, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.ADDITION_LAWS)[:2]
['commutativity', 'sum_rule']
"""

COMBINATOR_LAWS: dict[str, CombinatorLaw] = {
    "associativity": associativity,
    "identity": identity,
    "chain_rule": chain_rule,
}
"""All laws of composition, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.COMBINATOR_LAWS)[:2]
['associativity', 'chain_rule']
"""


def _rounding(out: Array) -> float:
    """For equalities that hold but for the order of three terms, which may cancel."""
    return 64 * float(np.finfo(out.dtype).eps)


def _run(layer: Layer[Any, Any], params: Any, x: Array, seed: int) -> tuple[Array, ...]:
    out, cache = layer.forward(params, x)
    dout = np.random.default_rng(seed).standard_normal(out.shape).astype(out.dtype)
    dx, grads = layer.backward(cache, dout)
    return (out, dx, *tree.leaves(grads))
