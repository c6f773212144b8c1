"""Trees: records and tuples of arrays, nested as a network is, and the vector space that they form.

The parameters of a network are a tree, and so are its gradients, of the same type. Arrays are the leaves; attrs records
and tuples are the branches; anything else in a record (a step count, a rate) is carried along unchanged. A list, a dict
or an instance of a plain class that holds arrays is a TypeError: its arrays would be passed over silently.

Paths name the leaves as Python would reach them: `[0].W` is `params[0].W`. Python's recursion limit bounds the depth of
a tree, to some hundred levels. A deeper one is a ValueError that says so.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import Any, TypeAlias, TypeVar, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.libraries import library_of, namespace
from chainrule.arrays.ownership import native, own, read_only
from chainrule.arrays.records import PLAIN, blank, field_names, is_record
from chainrule.arrays.types import Array, is_array, is_tuple

__all__ = ["Path", "dot", "equal", "leaves", "map", "named_leaves", "ravel", "replace"]

P = TypeVar("P")
R = TypeVar("R")

_CONTAINERS = (list, dict, set, tuple)
"""Containers that may hold arrays and are no branches; nor are subclasses of tuple, such as named tuples."""

_LOOKED_AT = 16
"""The most entries that are searched of a container that is carried along: it may be a vocabulary."""

Path: TypeAlias = tuple[int | str, ...]
"""The steps from the root to a leaf: positions in tuples, names of fields.

Examples
--------
>>> from chainrule import tree
>>> bias: tree.Path = (2, "b")  # [2].b
"""


def named_leaves(tree: object) -> list[tuple[str, Array]]:
    """List the arrays of a tree with their paths, in the order of their fields.

    Parameters
    ----------
    tree
        Records and tuples of arrays.

    Returns
    -------
    list[tuple[str, Array]]
        Pairs such as `("[0].W", array)`. The path of a lone array is `""`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> params = (Affine(np.ones((3, 2)), np.ones(2)), ())
    >>> [path for path, leaf in tree.named_leaves(params)]
    ['[0].W', '[0].b']
    """
    return [(_text(path), leaf) for path, leaf in _listed(tree)]


def leaves(tree: object) -> list[Array]:
    """List the arrays of a tree, in the order of their fields.

    Parameters
    ----------
    tree
        Records and tuples of arrays.

    Returns
    -------
    list[Array]
        The arrays themselves, not copies.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> [leaf.shape for leaf in tree.leaves((Affine(np.ones((3, 2)), np.ones(2)), ()))]
    [(3, 2), (2,)]
    """
    return [leaf for _, leaf in _listed(tree)]


@overload
def map(f: Callable[[Array], Array], tree: P) -> P: ...
@overload
def map(f: Callable[[Array, Array], Array], tree: P, other: P, /) -> P: ...
@overload
def map(f: Callable[..., Array], tree: P, other: P, another: P, /, *others: P) -> P: ...
def map(f: Callable[..., Array], tree: P, *others: P) -> P:
    """Apply a function to the arrays of one tree, or to those of several at the same places.

    Parameters
    ----------
    f
        Takes one array of each tree and returns an array.
    tree
        Records and tuples of arrays.
    *others
        Trees of the same structure.

    Returns
    -------
    P
        A tree like the first with what `f` returned, read-only: what `f` has not marked with `chainrule.read_only` is
        copied.

    Raises
    ------
    ValueError
        If the structures differ; the message names the first place where they do.
    TypeError
        If `f` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> params = (Affine(np.ones((3, 2)), np.ones(2)), ())
    >>> tree.map(lambda leaf: 2 * leaf, params)
    (Affine(W=f64[3, 2], b=f64[2]), ())
    >>> tree.map(np.add, params, params)[0].b
    array([2., 2.])
    """
    if not callable(f):
        raise TypeError(f"map: f must be a function of arrays, got {describe(f)}")
    try:
        mapped: P = _map(f, (), tree, others)
    except RecursionError:
        _check_depth(tree)
        raise
    return mapped


def zipped(f: Callable[..., R], tree: Any, *others: Any) -> list[R]:
    """List the results of a function on the arrays at the same places of several trees, in the order of `leaves`.

    If their structures differ, it is a ValueError that names the first place where they do.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tree
    >>> tree.zipped(lambda a, b: float(a @ b), (np.ones(2), np.ones(3)), (np.ones(2), np.ones(3)))
    [2.0, 3.0]
    """
    results: list[R] = []

    def collect(*leaves: Array) -> Array:
        results.append(f(*leaves))
        return leaves[0]

    map(collect, tree, *others)
    return results


def replace(tree: P, arrays: list[Array]) -> P:
    """Put other arrays in the places of a tree's leaves.

    Parameters
    ----------
    tree
        Gives the structure.
    arrays
        As many arrays as the tree has leaves, in the order of `leaves`.

    Returns
    -------
    P
        A tree like the first, with these arrays, read-only.

    Raises
    ------
    ValueError
        If the numbers differ.
    TypeError
        If one is no array.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> tree.replace(Affine(np.ones((3, 2)), np.ones(2)), [np.zeros((3, 2)), np.zeros(2)]).b
    array([0., 0.])
    """
    if not is_a(arrays, list, tuple):
        raise TypeError(f"replace: arrays must be a list of arrays, got {describe(arrays)}")
    for i, each in enumerate(arrays):
        if not is_array(each):
            raise TypeError(f"replace: arrays[{i}] must be an array, got {describe(each)}")
    return replacing(tree)(arrays)


def replacing(tree: P) -> Callable[[Sequence[Array]], P]:
    """Make the function that puts other arrays in the places of a tree's leaves: for many trees of one structure.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> made_of = tree.replacing(Affine(np.ones((3, 2)), np.ones(2)))
    >>> made_of([np.zeros((3, 2)), np.full(2, 5.0)]).b
    array([5., 5.])
    """
    places = len(leaves(tree))
    try:
        make = _maker(tree)
    except RecursionError:
        _check_depth(tree)
        raise

    def made_of(arrays: Sequence[Array]) -> P:
        if len(arrays) != places:
            raise ValueError(f"replace: the tree has {places} arrays, got {len(arrays)}")
        try:
            made: P = make(iter(arrays))
        except RecursionError:
            _check_depth(tree)
            raise
        return made

    return made_of


def equal(a: object, b: object) -> bool:
    """Tell whether two trees have the same structure and exactly the same arrays.

    Parameters
    ----------
    a, b
        Records and tuples of arrays.

    Returns
    -------
    bool
        True if types, fields, shapes, dtypes and all numbers agree, those of arrays and those that are carried along:
        nan equals nan, whatever its sign and payload, and 0.0 is not -0.0.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tree
    >>> tree.equal((np.zeros(2), ()), (np.zeros(2), ()))
    True
    >>> tree.equal(np.zeros(2), np.zeros(2, np.float32))
    False
    """
    try:
        return _equal(a, b)
    except RecursionError:
        _check_depth(a)
        raise


def dot(a: P, b: P) -> float:
    """The inner product of two trees: the sum of the products of all their entries.

    Parameters
    ----------
    a, b
        Trees of the same structure, of arrays of the same shapes.

    Returns
    -------
    float
        The sum, taken in float64.

    Raises
    ------
    ValueError
        If structures or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tree
    >>> tree.dot((np.ones(2), np.ones(1)), (np.full(2, 3.0), np.full(1, 4.0)))
    10.0
    """
    products: list[float] = []

    def multiply(x: Array, y: Array) -> Array:
        if x.shape != y.shape:
            raise ValueError(f"dot: shapes {x.shape} and {y.shape} differ")
        with np.errstate(all="ignore"):  # what is beyond float64 is inf
            products.append(float(np.sum(np.multiply(_in_numpy(x), _in_numpy(y), dtype=np.float64))))
        return x

    map(multiply, a, b)
    return sum(products)


def ravel(tree: P) -> tuple[Array, Callable[[Array], P]]:
    """Lay the numbers of a tree out in one vector, and give the way back.

    Both ways are linear, and the inner product of two vectors is `dot` of their trees. So whatever minimises a function
    of a vector minimises one of a network's parameters.

    Parameters
    ----------
    tree
        Records and tuples of arrays of floats, of one library.

    Returns
    -------
    vector : Array
        (n,): the entries of all arrays, in the order of `leaves`, those of each array row by row; read-only. Its dtype
        is the one that holds all of theirs. Of a tree without arrays it is empty.
    unravel : Callable
        `(vector) -> tree`: a tree like the first, of the same shapes and dtypes, with other numbers. The vector may be
        one of NumPy's too. One of another length is a `ValueError`.

    Raises
    ------
    TypeError
        If an array does not hold floats, or is of another library than the first.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, tree
    >>> vector, unravel = tree.ravel((Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2)), ()))
    >>> vector
    array([1., 2., 3., 4., 0., 0.])
    >>> unravel(2 * vector)[0].W
    array([[2., 4.],
           [6., 8.]])
    """
    found = named_leaves(tree)
    for path, leaf in found:
        namespace(leaf, name=f"ravel: {path or 'the array'}")
    arrays = [leaf for _, leaf in found]
    library: Any = library_of(arrays[0] if arrays else np.zeros(0))
    for path, leaf in found:
        if library_of(leaf) is not library:
            raise TypeError(f"ravel: {found[0][0]} and {path} are arrays of two libraries: convert one of them")
    vector: Any = library.concat([library.reshape(leaf, (-1,)) for leaf in arrays]) if arrays else np.zeros(0)
    return read_only(vector), partial(_unravel, tree)


def _unravel(tree: P, vector: Array) -> P:
    arrays = leaves(tree)
    sizes = [math.prod(leaf.shape) for leaf in arrays]
    if not is_array(vector):
        raise TypeError(f"unravel: the vector must be an array, got {describe(vector)}")
    if tuple(vector.shape) != (sum(sizes),):
        raise ValueError(f"unravel: the vector must have shape ({sum(sizes)},), got {tuple(vector.shape)}")
    pieces = [vector[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    return replace(tree, [_shaped_like(leaf, piece) for leaf, piece in zip(arrays, pieces, strict=True)])


def _shaped_like(leaf: Array, piece: Array) -> Array:
    library: Any = library_of(leaf)
    if library_of(piece) is not library:  # such as NumPy's, of an optimizer that knows no other
        piece = library.asarray(piece)
    shaped: Array = library.astype(library.reshape(piece, leaf.shape), leaf.dtype)
    return shaped


def _listed(tree: object) -> list[tuple[Path, Array]]:
    found: list[tuple[Path, Array]] = []
    try:
        _list(found, (), tree)
    except RecursionError:
        _check_depth(tree)
        raise
    return found


def _list(found: list[tuple[Path, Any]], path: Path, tree: object) -> None:
    if is_array(tree):
        found.append((path, tree))
        return
    if is_tuple(tree):
        for i, child in enumerate(tree):
            _list(found, (*path, i), child)
        return
    names = field_names(type(tree))
    if not names:
        _check_carried(path, tree)
    for name in names:
        _list(found, (*path, name), getattr(tree, name))


def _map(f: Callable[..., Array], path: Path, tree: object, others: Sequence[Any]) -> Any:
    if is_array(tree):
        if not all(is_array(other) for other in others):
            raise _mismatch(path, tree, others)
        try:
            return own(f(tree, *others))
        except Exception as error:
            error.add_note(f"at {_text(path) or 'the only array'}")
            raise
    if is_tuple(tree):
        if not all(is_tuple(other) and len(other) == len(tree) for other in others):
            raise _mismatch(path, tree, others)
        return tuple([_map(f, (*path, i), child, [other[i] for other in others]) for i, child in enumerate(tree)])
    cls = type(tree)
    if not all(type(other) is cls for other in others):
        raise _mismatch(path, tree, others)
    names = field_names(cls)
    if not names:
        _check_carried(path, tree)
        return tree
    made: Any = blank(cls)  # not the constructor: what f returns need not be valid parameters
    for name in names:
        at = [getattr(other, name) for other in others]
        object.__setattr__(made, name, _map(f, (*path, name), getattr(tree, name), at))
    return made


def _maker(tree: object) -> Callable[[Iterator[Array]], Any]:
    if is_array(tree):
        return lambda supply: own(next(supply))
    if is_tuple(tree):
        parts = [_maker(child) for child in tree]
        return lambda supply: tuple([make(supply) for make in parts])
    cls, fields = type(tree), [(name, _maker(getattr(tree, name))) for name in field_names(type(tree))]

    def record(supply: Iterator[Array]) -> Any:
        made: Any = blank(cls)
        for name, make in fields:
            object.__setattr__(made, name, make(supply))
        return made

    return record if fields else partial(_as_is, tree)


def _as_is(tree: object, supply: Iterator[Array]) -> object:
    return tree


def _equal(a: object, b: object) -> bool:
    carried = type(a) is type(b) and isinstance(a, float | complex)  # of which nan equals nan too
    if carried or (is_array(a) and is_array(b)):
        return _same(_in_numpy(a), _in_numpy(b))
    if type(a) is not type(b):
        return False
    if not (is_tuple(a) or attrs.has(type(a))):
        return bool(a == b)
    ours, theirs = _children(a), _children(b)
    return len(ours) == len(theirs) and all(_equal(x, y) for x, y in zip(ours, theirs, strict=True))


def _in_numpy(leaf: Any) -> NDArray[Any]:
    """The numbers of an array; those of a dtype that NumPy has not, such as torch's bfloat16, in float32."""
    if str(getattr(leaf, "dtype", "")) == "torch.bfloat16":
        leaf = leaf.float()
    array = np.asarray(leaf.detach() if hasattr(leaf, "detach") else leaf)
    return array if array.dtype.isnative else array.astype(native(array.dtype))


def _same(x: NDArray[Any], y: NDArray[Any]) -> bool:
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.tobytes() == y.tobytes():
        return True
    if x.dtype.kind == "c":
        return _same(np.real(x), np.real(y)) and _same(np.imag(x), np.imag(y))
    if x.dtype.kind == "V" and "float" in x.dtype.name:  # bfloat16 and its like, which float32 holds exactly
        x, y = x.astype(np.float32), y.astype(np.float32)
    if x.dtype.kind != "f":
        return False
    both_nan = np.isnan(x) & np.isnan(y)  # of which there are many; and some bytes of a long double are idle
    return bool(np.all(both_nan | ((x == y) & (np.signbit(x) == np.signbit(y)))))


def _children(tree: object) -> tuple[object, ...]:
    return tree if is_tuple(tree) else tuple(getattr(tree, name) for name in field_names(type(tree)))


def _text(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _check_carried(path: Path, value: object) -> None:
    """Refuse an object that holds arrays and is no branch: they would be passed over silently."""
    kind = type(value)
    if kind in PLAIN or kind is tuple or is_record(kind):  # such as a record without fields
        return
    is_container = issubclass(kind, _CONTAINERS)
    if is_container or hasattr(kind, "__dataclass_fields__") or _has_arrays(value):
        use = "a tuple" if issubclass(kind, list | set) else "a record"
        if hasattr(value, "params_"):  # a fitted estimator
            use = "its params_"
        raise TypeError(
            f"a tree is made of attrs records, tuples and arrays, but {_text(path) or 'the tree itself'} is a "
            f"{kind.__name__}{'' if is_container else ' that may hold arrays'}: use {use}"
        )


def _has_arrays(value: object, levels: int = 4) -> bool:
    if isinstance(value, type):
        return False
    return is_array(value) or (levels > 0 and any(_has_arrays(each, levels - 1) for each in _inside(value)))


def _inside(value: Any) -> list[object]:
    if issubclass(type(value), dict):
        return list(islice(value.values(), _LOOKED_AT))
    if issubclass(type(value), _CONTAINERS):
        return list(islice(value, _LOOKED_AT))
    state: Any = object.__getstate__(value)  # a dict of attributes, or that and a dict of slots; or None
    parts: tuple[Any, ...] = state if is_tuple(state) else (state,)
    return [each for part in parts if part for each in part.values()]


def _check_depth(tree: object) -> None:
    depth, level = 0, [tree]
    while level := list({id(child): child for branch in level for child in _children(branch)}.values()):
        depth += 1
    limit = sys.getrecursionlimit()
    if depth > limit // 3:
        raise ValueError(
            f"the tree is {depth} levels deep, but Python's recursion limit of {limit} allows about {limit // 3}: "
            "nest it less, or raise the limit with sys.setrecursionlimit"
        ) from None


def _mismatch(path: Path, tree: object, others: Sequence[object]) -> ValueError:
    seen = " and ".join(dict.fromkeys(describe(each) for each in (tree, *others)))
    return ValueError(f"trees differ at {_text(path) or 'the root'}: {seen}")
