"""A network as it is used and not trained: dropout is gone, and batch norms take the statistics of many batches.

    network = inference(network, params, batches)

It is another network with parameters of the same type, not another mode of one: what a layer becomes in use stands in
its trait `inference`, and combinators are made again of what their parts become.

**Statistics** are a tree like the parameters: a `Statistics` where a batch norm stands, () for all other layers. For
each feature they hold the mean of the batches' means, and of their unbiased variances n / (n - 1) v, weighted by the
rows n of each batch (Ioffe and Szegedy, Batch normalization, 2015, algorithm 2).
"""

from collections.abc import Iterable, Iterator
from operator import is_
from typing import Any, TypeAlias, TypeVar, overload

from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_tuple
from chainrule.combinators.sequential import sequential
from chainrule.encoder import Encoder, Network, Trainable, checked_network
from chainrule.layer import Layer
from chainrule.layers.normalisation.batch_norm import Statistics
from chainrule.naming import made_again, title_of
from chainrule.parts import Around, Chain, Parts, caches_of, layers_of
from chainrule.rules.inference import BatchMoments, Inference

P = TypeVar("P")
X = TypeVar("X")

StatisticsTree: TypeAlias = "Statistics | tuple[StatisticsTree, ...]"
"""A tree like the parameters of a network, with a `Statistics` for each batch norm and `()` for all else."""


def statistics(network: Trainable[P, X], params: P, batches: Iterable[X]) -> StatisticsTree:
    """Compute what the batch norms of a network take in the place of a batch's own mean and variance.

    Parameters
    ----------
    network
        A layer or an encoder, in the form for training.
    params
        Its parameters.
    batches
        The inputs x, some rows at a time; gone through once. Of each a batch norm sees at least two rows.

    Returns
    -------
    StatisticsTree
        A tree like the parameters, for `inference` and `save`: () where nothing is needed.

    Raises
    ------
    ValueError
        If there are no batches, or one has a single row, whose variance is not defined.
    TypeError
        If the network is none, or the batches are one array.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import BatchNorm, batch_norm, relu, sequential, statistics
    >>> network = sequential(batch_norm(), relu)
    >>> params = (BatchNorm.init(1, dtype=np.float64), ())
    >>> found = statistics(network, params, [np.array([[1.0], [3.0]]), np.array([[5.0], [5.0]])])
    >>> found
    (Statistics(mean=f64[1], var=f64[1]), ())
    >>> found[0].mean, found[0].var
    (array([3.5]), array([1.]))
    """
    return _of_batches("statistics", checked_network("statistics", network), params, batches)


def _of_batches(name: str, network: Any, params: Any, batches: Iterable[Any]) -> StatisticsTree:
    if hasattr(batches, "shape") or not isinstance(batches, Iterable):
        what = f"batches must be an iterable of inputs, got {describe(batches)}"
        raise TypeError(f"{name}: {what}: put a single one in a list")
    found: Any = None
    for x in batches:
        caches = network.forward(params, x)[1]
        found = _added(network, found, caches)
    if found is None:
        raise ValueError(f"{name}: there are no batches")
    return _means(found)


@overload
def inference(
    network: Encoder[P, Any, X],
    params: P,
    batches: Iterable[X] | None = ...,
    statistics: "StatisticsTree | None" = ...,
) -> Encoder[P, object, X]: ...
@overload
def inference(
    network: Layer[P, Any],
    params: P,
    batches: Iterable[Array] | None = ...,
    statistics: "StatisticsTree | None" = ...,
) -> Layer[P, object]: ...
@overload
def inference(
    network: Network[P],
    params: P,
    batches: Iterable[Any] | None = ...,
    statistics: "StatisticsTree | None" = ...,
) -> Network[P]: ...
def inference(
    network: Any,
    params: Any,
    batches: Iterable[Any] | None = None,
    statistics: "StatisticsTree | None" = None,
) -> Any:
    """Make the network that is used of the one that is trained.

    Parameters
    ----------
    network
        A layer or an encoder. Of a function of a seed give `network(seed)`, with any seed.
    params
        Its parameters.
    batches
        Inputs x, some rows at a time, of which the statistics of batch norms are computed.
    statistics
        Statistics that were computed before, in the place of batches.

    Returns
    -------
    Layer or Encoder
        A network with parameters of the same type, in which every layer stands in its form for use: the network itself
        if no layer has another.

    Raises
    ------
    ValueError
        If a layer needs statistics and there are none, both batches and statistics are given, or the statistics are not
        a tree like the parameters.
    TypeError
        If the network is none, or a part of it can't be put together again.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, BatchNorm, affine, batch_norm, dropout, inference, sequential
    >>> network = sequential(affine, batch_norm(), dropout(0.5, seed=0))
    >>> rng = np.random.default_rng(0)
    >>> params = (Affine.init(rng, 3, 2), BatchNorm.init(2), ())
    >>> inference(network, params, batches=[rng.standard_normal((8, 3), np.float32) for _ in range(4)])
    Layer(sequential(affine, batch_norm(statistics=Statistics(mean=f32[2], var=f32[2]), eps=1e-05), identity))
    """
    made = checked_network("inference", network)
    if batches is not None and statistics is not None:
        raise ValueError("inference: got both batches and statistics: give one of them")
    given: Any = statistics if batches is None else _of_batches("inference", made, params, batches)
    return _in_use(made, given)


def no_statistics(network: Any) -> "StatisticsTree | None":
    """The statistics of a network that needs none, a tree of (); None if it needs some."""
    return None if any(trait.moments is not None for trait in _traits(network)) else _nothing(network)


def _traits(layer: Any) -> Iterator[Inference]:
    if layer.inference is not None:
        yield layer.inference
    else:
        for part in layers_of(layer):
            yield from _traits(part)


def _added(layer: Any, before: Any, cache: Any) -> Any:
    trait = layer.inference
    if trait is not None:
        if trait.moments is None:
            return ()
        seen = _unbiased(layer, trait.moments(cache))
        return seen if before is None else _averaged(before, seen)
    parts: Parts = layer.parts
    layers = layers_of(layer)
    if next(_traits(layer), None) is None:
        return _nothing(layer)
    if not _is_tuple_of(len(layers), cache):
        what = f"its cache must be a tuple of {len(layers)}, an entry for each of its layers, got {describe(cache)}"
        raise TypeError(f"statistics: {title_of(layer)}: {what}")
    if isinstance(parts, Around):
        return _added(parts.layer, before, *caches_of(layer, cache))
    olds = before if before is not None else [None] * len(layers)
    return tuple(map(_added, layers, olds, caches_of(layer, cache)))


def _nothing(layer: Any) -> Any:
    parts: Parts = layer.parts
    return _nothing(parts.layer) if isinstance(parts, Around) else tuple(map(_nothing, layers_of(layer)))


def _unbiased(layer: Any, seen: BatchMoments) -> BatchMoments:
    if seen.count < 2:
        raise ValueError(
            f"statistics: {title_of(layer)} saw a batch of {seen.count} row, whose variance is not defined"
        )
    return BatchMoments(seen.mean, seen.var * (seen.count / (seen.count - 1)), seen.count)


def _averaged(before: BatchMoments, seen: BatchMoments) -> BatchMoments:
    count = before.count + seen.count
    share = seen.count / count
    mean = before.mean + (seen.mean - before.mean) * share
    return BatchMoments(mean, before.var + (seen.var - before.var) * share, count)


def _means(found: Any) -> StatisticsTree:
    if isinstance(found, BatchMoments):
        return Statistics(found.mean, found.var)
    return tuple(_means(each) for each in found)


def _in_use(layer: Any, given: Any) -> Any:
    trait = layer.inference
    if trait is not None:
        return trait.form(_needed(layer, given) if trait.moments is not None else None)
    parts: Parts = layer.parts
    layers = layers_of(layer)
    if not layers:
        return layer
    each = _each(layer, layers, given)
    new: list[Any] = []
    for i, part in enumerate(layers):
        try:
            new.append(_in_use(part, each[i]))
        except Exception as error:
            if not isinstance(parts, Around):
                error.add_note(f"in layer {i + 1} of {len(layers)}")
            raise
    if all(map(is_, new, layers)):
        return layer
    if isinstance(parts, Chain) and all(isinstance(each, Layer) for each in new):
        return sequential(*new)
    made = made_again(layer, tuple(new))
    if made is None:
        raise TypeError(f"inference: {title_of(layer)} can't be made again of {', '.join(map(title_of, new))}")
    return made


def _each(layer: Any, layers: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    if given is None or isinstance(layer.parts, Around):
        return (given,) * len(layers)
    if not _is_tuple_of(len(layers), given):
        raise ValueError(
            f"inference: {title_of(layer)} has {len(layers)} layers, so its statistics must be a tuple of "
            f"{len(layers)}, got {describe(given)}"
        )
    entries: tuple[Any, ...] = given
    return entries


def _is_tuple_of(n: int, value: object) -> bool:
    return is_tuple(value) and len(value) == n


def _needed(layer: Any, given: Any) -> Statistics:
    if given is None:
        raise ValueError(f"inference: {title_of(layer)} needs statistics: give batches, or statistics")
    if not isinstance(given, Statistics):
        raise TypeError(f"inference: {title_of(layer)} needs a Statistics, got {describe(given)}")
    return given
