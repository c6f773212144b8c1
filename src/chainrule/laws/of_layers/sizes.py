"""The derivative at other sizes: of rows that are coupled, of columns, of parameters, and of the axes in between."""

import math
import time
from functools import partial
from itertools import permutations, product
from typing import Any

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._elsewhere import (
    MOST_NUMBERS,
    Elsewhere,
    Unfit,
    doubted,
    judged_at,
    takes,
    with_floor,
    worst_by_field,
)
from chainrule.laws.of_layers._resized import Resized, lengths_of, spread, with_lengths
from chainrule.laws.of_layers._tokens import is_tokens
from chainrule.laws.of_layers.rows import mixed
from chainrule.laws.trials.directions import refuse
from chainrule.laws.trials.sizes import in_unit_interval
from chainrule.laws.trials.trial import Checked, Trial, couples_rows, measured
from chainrule.laws.trials.wording import plural
from chainrule.layer import Layer

SIZES = (
    *(1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 23, 31, 32, 33, 47),
    *(63, 64, 65, 100, 127, 128, 129, 255, 256, 257),
)
"""Numbers of columns: the edges of blocks that low-level code uses, one more and one less, and some that leave much of
a block over; even ones that are no power of 2."""

EVEN = (66, 130, 132, 258, 514)
"""More numbers of columns of a layer that takes no odd ones: the same edges in its halves, and in quarters."""

LENGTHS = (1, 2, 3, 4, 6, 7, 8, 16, 17, 23, 32, 33, 64, 65, 128, 129)
"""Lengths of the axes between rows and columns."""

LONG = 257
"""One more, to which a byte doesn't count: of two rows, since a layer may take one step after another."""

VECTORS = (1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 23, 31, 32, 33, 63, 64, 65, 100, 128, 129, 256, 257)
"""Numbers of columns, of a layer whose parameters are vectors of as many numbers, as those of a norm are."""

MATRICES = (1, 2, 4, 6, 7, 8, 16, 23, 32, 33, 64, 65, 128, 129, 256)
"""Numbers of rows or columns of parameters that are matrices: as many as blocks have, one more, and 7 more than 16. An
axis also becomes as long as the other one: a square may be taken for its transpose."""

BLOCKS = (1, 17, 65)
"""Numbers of columns that all parameters have at once, beside twice as many rows or some more."""

LONGEST = 257
"""One more than a byte counts, of the matrices that are tried last."""

TABLES = (1, 2, 8, 33, 129, 257)
"""Numbers of rows and columns of the tables of an encoder."""

KERNELS = (1, 2, 3, 4, 5, 7, 9)
"""Lengths of single axes of parameters with two and more: the sizes of a kernel, a number of heads or of pieces."""

CHANNELS = (1, 2, 3, 9, 23, 33, 65, 129)
"""Numbers of channels, where they stand before the positions."""

PATIENCE = 5.0
"""The seconds after which no larger x is tried: a loop in Python over pairs of columns takes minutes at 257."""

MIXED = (33, 129)
"""Numbers of columns with numbers of several sizes in them: what is left of a block may have a branch of its own."""

TWO_AXES = "which has two axes of rows"
"""Words for such an x."""

REFUSE_AXES = "If rows are meant to have one axis, let forward refuse more of them, or leave out event_axes"
"""The advice where a pair, which may be written for one axis of rows, is wrong for two that a law has made."""

COUPLED_ROWS = (1, 2, 3, 6, 8, 9, 32, 33, 64, 65, 128, 129, 256, 257, 1000)
"""Numbers of rows of a layer that couples them."""


def other_sizes(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The derivative is right at other sizes too: of coupled rows, of columns, and of parameters.

    Of columns also with numbers of several sizes, and with parameters that have other lengths, of an encoder too; of
    axes between rows and columns, those of time or of images, in every case that the layer takes; with two axes of
    rows, where `event_axes` allows them. Where backward raises then, nothing can be told. Rows of layers that treat
    each alone are covered by `independent_rows`.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each field, the worst.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.other_sizes(affine, params, x, rng))
    True
    """
    if isinstance(layer, Encoder):
        return _of_tables(layer, params, x, rng) if is_tokens(x) else []
    return _of_layer(layer, params, np.asarray(x, np.float64), rng) if np.ndim(x) else []


def _of_layer(layer: Layer[Any, Any], params: Any, x: Array, rng: np.random.Generator) -> list[Verdict]:
    free = not any(x.shape[-1] in leaf.shape for leaf in tree.leaves(params))
    shapes = _shapes(layer, params, x, rng, free=free)
    # Parameters may be of some length that broadcasts, or that is counted off along x, as a kernel's is.
    by_accident = [(*x.shape[:-1], x.shape[-1] + more) for more in (1, -1, 2) if tree.leaves(params) and x.ndim > 1]
    by_accident += [shape for shape in shapes if tree.leaves(params) and shape[-1] != x.shape[-1]]
    has_rows = may_have_two_axes(layer, x)
    if not (shapes or by_accident or has_rows):
        return []
    base = with_floor(measured(Trial.in_float64(layer, params, x), rng), rng)
    verdicts: list[Verdict] = []
    most, note = MOST_NUMBERS, ""
    for shape in dict.fromkeys((*shapes, *(shape for shape in by_accident if free or shape[-1] > 1))):
        if shape != x.shape and x.size and math.prod(shape) <= most:
            other, begun = spread(x, shape, rng), time.perf_counter()
            counts = partial(_counts, x, shape in by_accident)
            found = judged_at("other_sizes", base, Elsewhere(f"for x {other.shape}", other), rng, counts=counts)
            # Parameters of several numbers may be broadcast along a column alone, of which forward has not thought.
            by_one = shape in by_accident and shape[-1] == 1 and any(leaf.size > 1 for leaf in tree.leaves(params))
            verdicts += doubted(found, refuse(base)) if by_one else found
            seconds = time.perf_counter() - begun
            if seconds > PATIENCE:
                most = math.prod(shape)
                note = f"x larger than {other.shape}, which took {seconds:.0f} s, is left out"
        if any(each.wrong for each in verdicts):
            break
    if free and not any(each.wrong for each in verdicts):
        verdicts += _of_mixed_columns(base, x, most, rng)
    if has_rows:
        twice = in_two_axes(x)
        words = f"for x {twice.shape}, {TWO_AXES}"
        found = judged_at("other_sizes", base, Elsewhere(words, twice), rng)
        verdicts += found if layer.rule is not None else doubted(found, REFUSE_AXES)
    if not any(each.wrong for each in verdicts):
        verdicts += _with_parameters(base, x, rng)
    return [evolve(each, note=note) if each.ok else each for each in worst_by_field(verdicts)]


def _of_tables(layer: Encoder[Any, Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts on an encoder for tables with other numbers of rows or columns; its noise is measured if need be."""
    base = Trial.in_float64(layer, params, x)
    found = _at_tables(base, x, rng)
    if any(each.wrong for each in found):
        base = measured(base, rng)
        found = _at_tables(base, x, rng)
    return worst_by_field(_not_as_given(base, found, rng) if any(each.wrong for each in found) else found)


def _at_tables(base: Trial, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for tokens of all rows of a table, if the encoder takes them, or for those of x that are there."""
    found: list[Verdict] = []
    for length, k in product(lengths_of(tree.leaves(base.params)), TABLES):
        resized = Resized(length, k)
        params = resized.parameters(base.params, rng)
        if params is None:
            continue
        rows = min(len(leaf) for leaf in tree.leaves(params) if leaf.ndim)
        last = min(rows - 1, np.iinfo(x.dtype).max)
        of_all: Array = np.linspace(last, 0, x.size).astype(x.dtype)
        of_all = rng.permuted(of_all).reshape(x.shape)
        tokens = of_all if takes(base.layer, params, of_all) else (x.astype(np.int64) % rows).astype(x.dtype)
        case = f"for parameters {resized.in_words()}"
        found += judged_at("other_sizes", base, Elsewhere(case, tokens, params), rng, counts=_never)
    return found


def may_have_two_axes(layer: Layer[Any, Any], x: Array) -> bool:
    """Tell whether rows of which x has one axis may have two."""
    return not layer.couples_rows and layer.event_axes is not None and x.ndim == layer.event_axes + 1


def in_two_axes(x: Array) -> Array:
    """An x with two axes of rows."""
    return np.stack([x, x[::-1]])


def _of_mixed_columns(base: Trial, x: Array, most: int, rng: np.random.Generator) -> list[Verdict]:
    """The faults of more columns with numbers of several sizes in them, all within 0 and 1 if those of x are."""
    found: list[Verdict] = []
    times, words = (0.1, "a tenth") if in_unit_interval(x) else (10.0, "0 or ten times")
    for columns in MIXED if x.ndim > 1 and x.size else ():
        shape = (*x.shape[:-1], columns)
        if columns > x.shape[-1] and math.prod(shape) <= most:
            other = mixed(spread(x, shape, rng), rng, times)
            case = f"for x {other.shape}, of which some numbers are {words} as large"
            found += judged_at("other_sizes", base, Elsewhere(case, other), rng, counts=_never)
    return [each for each in found if each.wrong]


def _counts(x: Array, by_accident: bool, unfit: Unfit) -> bool:
    """Tell whether it counts that backward does not fit another shape of x, which forward may take `by_accident`.

    An axis of one is broadcast along a constant of the layer's own, and dx then has the length of that.
    """
    shape = unfit.trial.x.shape
    if shape[-1] == 1 and (unfit.shape is None or unfit.shape[1:] != x.shape[1:]):
        return True
    return not by_accident and (1 not in shape[1:] or unfit.is_meant())


def _never(unfit: Unfit) -> bool:
    return False


def _shapes(
    layer: Checked[Any, Any], params: Any, x: Array, rng: np.random.Generator, *, free: bool
) -> list[tuple[int, ...]]:
    """The shapes of x that a layer may take: with other numbers of coupled rows, of columns, and in between.

    The columns are `free` if no axis of a parameter is as long.
    """
    shapes: list[tuple[int, ...]] = []
    if layer.couples_rows:
        shapes += [(n, *x.shape[1:]) for n in (*COUPLED_ROWS, x.shape[-1])]
    if free and x.ndim > 1:
        shapes += [(*x.shape[:-1], k) for k in (*SIZES, x.shape[0])]
        shapes += [] if couples_rows(layer, x) or x.ndim > 2 else [(33, 33), (1, 1)]
        if x.shape[-1] % 2 == 0 and not takes(layer, params, spread(x, (*x.shape[:-1], 33), rng)):
            shapes += [(*x.shape[:-1], k) for k in EVEN]
    for axis in range(1, x.ndim - 1):
        length, others = x.shape[axis], (x.shape[other] for other in range(1, x.ndim - 1))
        lengths = (*LENGTHS, length + 1, length + 2, *others)
        shapes += [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in lengths]
        rows = len(x) if couples_rows(layer, x) else min(2, len(x))
        shapes.append((rows, *x.shape[1:axis], LONG, *x.shape[axis + 1 :]))
    if x.ndim > 2 and not couples_rows(layer, x):
        shapes.append((x.shape[-1],) * x.ndim)  # rows may be taken for columns, or for steps of time
        shapes += [(1,) * x.ndim] if free and not tree.leaves(params) else []
    if x.ndim > 3:  # images of one pixel, and of four
        shapes += [(len(x), *[k] * (x.ndim - 2), x.shape[-1]) for k in (1, 2)]
    return shapes


def _with_parameters(base: Trial, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for parameters of other lengths, with the x that fits them.

    All axes of one length change together, and that of the columns of x with them: which of the lengths are one and the
    same nobody says, so that forward may refuse what comes of it. Then those that are multiples of it change too, as
    the gates of a recurrent layer do, or it becomes an even one, for heads: unless forward takes odd ones.
    """
    leaves = tree.leaves(base.params)
    if x.ndim < 2:
        return []
    columns = x.shape[-1]
    vectors = all(leaf.shape == (columns,) or leaf.size == 1 for leaf in leaves)
    # One number may belong to all columns, and not to the only one.
    counts = Unfit.is_meant if vectors and columns > 1 else _never
    lengths = lengths_of(leaves)
    matrices = (*lengths, *MATRICES)
    ways = ((VECTORS, False),) if vectors else ((matrices, False), (MATRICES, True), (EVEN[:3], True))
    verdicts: list[Verdict] = []
    for length in lengths:
        for sizes, together in ways:
            takes_odd = False
            for resized in (Resized(length, k, together=together) for k in sizes if k != length):
                made = resized.arguments(base.params, x, rng)
                if made is None:
                    continue
                params, other = made
                case = f"for x {other.shape} and parameters {resized.in_words(vectors=vectors)}"
                found = judged_at("other_sizes", base, Elsewhere(case, other, params), rng, counts=counts)
                if any(each.wrong for each in found):
                    return [*verdicts, *(found if vectors else _not_as_given(base, found, rng))]
                verdicts += found
                takes_odd = takes_odd or (bool(found) and resized.k % 2 == 1)
            if takes_odd:
                break
    found = [] if vectors else _longest(base, x, lengths, np.random.default_rng(0))
    if not any(each.wrong for each in found):
        found += _of_squares(base, x, lengths, rng) + _of_channels_first(base, x, rng)
        found += _all_long(base, x, lengths, rng) + _of_single_axes(base, x, rng)
    return verdicts + found


def _of_squares(base: Trial, x: Array, lengths: tuple[int, ...], rng: np.random.Generator) -> list[Verdict]:
    """The faults where a matrix is a square, and x has as many rows and columns as that."""
    if couples_rows(base.layer, x):
        return []
    made = [Resized(length, k).arguments(base.params, x, rng) for length, k in permutations(lengths, 2)]
    found: list[Verdict] = []
    for params, other in filter(None, made):
        k = other.shape[-1]
        square = spread(x, (k, *other.shape[1:]), rng) if k != len(x) else other
        case = f"for x {square.shape} and parameters with as many numbers as it has rows"
        found += judged_at("other_sizes", base, Elsewhere(case, square, params), rng, counts=_never)
    return _not_as_given(base, [each for each in found if each.wrong], rng)


def _all_long(base: Trial, x: Array, lengths: tuple[int, ...], rng: np.random.Generator) -> list[Verdict]:
    """The faults where rows, columns and all parameters are long at once, beyond the edges of blocks."""
    found: list[Verdict] = []
    for k in BLOCKS if x.ndim == 2 and x.size and not couples_rows(base.layer, x) and lengths else ():
        params, other = base.params, x
        for length in lengths:
            made = Resized(length, k).arguments(params, other, rng) if length != k else (params, other)
            if made is None:
                break
            params, other = made
        else:
            rows = len(other) * math.ceil(2 * k / len(other))  # of whole blocks, if those that were given are
            many = spread(other, (rows, k), rng) if len(other) != rows else other
            case = f"for x {many.shape} and parameters with {plural(k, 'number')} in place of all others"
            found += judged_at("other_sizes", base, Elsewhere(case, many, params), rng, counts=_never)
    return _not_as_given(base, [each for each in found if each.wrong], rng)


def _of_channels_first(base: Trial, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The faults for other numbers of channels, where parameters go with axis 1 of x and of out."""
    if x.ndim < 3 or base.out.ndim < 3 or x.shape[1] == x.shape[-1]:
        return []
    taken, made = x.shape[1], base.out.shape[1]
    first = ((taken,), (made,), (made, taken), (taken, 1), (made, 1))
    if not any(leaf.size > 1 and leaf.shape[:2] in first for leaf in tree.leaves(base.params)):
        return []
    for length, k in product(dict.fromkeys((taken, made)), CHANNELS):
        resized = Resized(length, k, channels_first=True)
        other = resized.arguments(base.params, x, rng) if k != length else None
        if other is not None:
            case = f"for x {other[1].shape} and parameters {resized.in_words()}"
            found = judged_at("other_sizes", base, Elsewhere(case, other[1], other[0]), rng, counts=_never)
            if any(each.wrong for each in found):
                return _not_as_given(base, [each for each in found if each.wrong], rng)
    return []


def _of_single_axes(base: Trial, x: Array, rng: np.random.Generator) -> list[Verdict]:
    """The faults where single axes of parameters with two and more have other lengths, and x has its own.

    So have all of them, all before the last two, and all after the first two: a kernel's sizes are one of these.
    """
    axes = tuple(range(max((leaf.ndim for leaf in tree.leaves(base.params)), default=0)))
    several = filter(None, (axes, axes[:-2], axes[2:]))
    found: list[Verdict] = []
    for which, k in product(dict.fromkeys((*((axis,) for axis in axes), *several)) if len(axes) > 1 else (), KERNELS):
        params = with_lengths(base.params, which, k, rng)
        if params is not None:
            where = f"axis {which[0]}" if len(which) == 1 else f"axes {' and '.join(map(str, which))}"
            case = f"for parameters with {plural(k, 'number')} along {where}"
            found += judged_at("other_sizes", base, Elsewhere(case, x, params), rng, counts=_never)
        if any(each.wrong for each in found):
            break
    return _not_as_given(base, [each for each in found if each.wrong], rng)


def _longest(base: Trial, x: Array, lengths: tuple[int, ...], rng: np.random.Generator) -> list[Verdict]:
    """The verdicts for parameters that are longer than all others, along each axis."""
    found: list[Verdict] = []
    for length in lengths:
        resized = Resized(length, LONGEST)
        made = resized.arguments(base.params, x, rng) if length != LONGEST else None
        if made is not None:
            case = f"for x {made[1].shape} and parameters {resized.in_words()}"
            found += judged_at("other_sizes", base, Elsewhere(case, made[1], made[0]), rng, counts=_never)
    return _not_as_given(base, found, rng) if any(each.wrong for each in found) else found


def _not_as_given(base: Trial, found: list[Verdict], rng: np.random.Generator) -> list[Verdict]:
    """The verdicts without those on fields that are wrong for parameters as they are too, as another law says."""
    if not found:
        return []
    as_given = {each.field for each in judged_at("other_sizes", base, Elsewhere("", base.x), rng) if each.wrong}
    return [each for each in found if each.field not in as_given]
