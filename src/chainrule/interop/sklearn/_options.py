"""The options of the estimators: scikit-learn wants them kept as they were given, and checked where `fit` begins."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from chainrule.arrays.arguments import describe, is_a, number, remedy, truth
from chainrule.arrays.arguments import size as counted
from chainrule.arrays.types import Generator, is_list, is_tuple
from chainrule.combinators.sequential import sequential
from chainrule.initializers.fans import he_uniform, lecun_uniform
from chainrule.layer import Layer
from chainrule.layers.activations.relu import relu
from chainrule.layers.affine import Affine, affine
from chainrule.optimizers.adam import adam

Builder: TypeAlias = Callable[[int, int, Generator], tuple[Any, Any]]
"""`(n_in, n_out, rng) -> (network, params)`, where the network may be a function of a seed."""

DTYPES = ("float16", "float32", "float64")
"""The floating-point dtypes of NumPy that layers compute in."""


@frozen(eq=False, kw_only=True)
class Options:
    build: Builder
    optimizer: Any
    batch_size: int
    max_epochs: int
    early_stopping: bool
    validation_fraction: float
    patience: int
    tol: float
    warm_start: bool
    dtype: Any
    verbose: int

    @classmethod
    def of(cls, estimator: Any) -> "Options":
        """Check the options of an estimator. A ValueError or a TypeError begins with its name."""
        owner = type(estimator).__name__
        make = adam if estimator.optimizer is None else estimator.optimizer
        if not callable(make):
            what = "optimizer must be a function of the rate, such as chainrule.adam"
            raise TypeError(f"{owner}: {what}, got {describe(make)}")
        is_loud = is_a(estimator.verbose, bool, np.bool_)
        return cls(
            build=_builder(owner, estimator),
            optimizer=make(estimator.learning_rate),
            batch_size=counted(owner, "batch_size", estimator.batch_size, least=1),
            max_epochs=counted(owner, "max_epochs", estimator.max_epochs, least=1),
            early_stopping=truth(owner, "early_stopping", estimator.early_stopping),
            validation_fraction=number(
                owner, "validation_fraction", estimator.validation_fraction, above=0.0, below=1.0
            ),
            patience=counted(owner, "patience", estimator.patience, least=1),
            tol=number(owner, "tol", estimator.tol),
            warm_start=truth(owner, "warm_start", estimator.warm_start),
            dtype=_dtype(owner, estimator.dtype),
            verbose=int(estimator.verbose) if is_loud else counted(owner, "verbose", estimator.verbose),
        )


def _dtype(owner: str, dtype: DTypeLike | None) -> Any:
    found: Any = dtype
    with suppress(TypeError):  # of a name that NumPy has not
        found = None if dtype is None else np.dtype(dtype)
    if found is not None and getattr(found, "name", found) not in DTYPES:
        raise TypeError(f"{owner}: dtype must be None or one of {', '.join(DTYPES)}, got {found}")
    return found


def _builder(owner: str, estimator: Any) -> Builder:
    make, hidden, activation = estimator.network, estimator.hidden, estimator.activation
    if not (is_tuple(hidden) or is_list(hidden)):
        raise TypeError(f"{owner}: hidden must be a tuple of sizes, such as (100,), got {describe(hidden)}")
    sizes = [counted(owner, f"hidden[{i}]", each, least=1) for i, each in enumerate(hidden)]
    if activation is not None and not is_a(activation, Layer):
        what = f"activation must be a Layer, such as chainrule.sigmoid, got {describe(activation)}"
        raise TypeError(f"{owner}: {what}{remedy(activation)}")
    if make is None:
        return partial(_of_hidden, sizes, relu if activation is None else activation)
    if not callable(make):
        what = "network must be a function (n_in, n_out, rng) -> (network, params)"
        raise TypeError(f"{owner}: {what}, got {describe(make)}")
    if activation is not None or sizes != [100]:
        raise ValueError(f"{owner}: network makes its own layers: leave hidden and activation as they are by default")
    return partial(_of_function, owner, make)


def _of_hidden(sizes: list[int], activation: Layer[Any, Any], n_in: int, n_out: int, rng: Generator) -> tuple[Any, Any]:
    """Affine layers with the activation between them, drawn as suits it: He's variance is for ReLU."""
    draw = partial(Affine.init, rng, dtype=np.float64)
    layers: list[Layer[Any, Any]] = []
    params: list[Any] = []
    for before, after in pairwise([n_in, *sizes]):
        layers += [affine, activation]
        params += [draw(before, after, weights=he_uniform if activation is relu else lecun_uniform), ()]
    last = draw([n_in, *sizes][-1], n_out, weights=lecun_uniform)
    return sequential(*layers, affine), (*params, last)


def _of_function(owner: str, make: Any, n_in: int, n_out: int, rng: Generator) -> tuple[Any, Any]:
    made = make(n_in, n_out, rng)
    if not is_tuple(made) or len(made) != 2:
        raise TypeError(f"{owner}: network must return (network, params), got {describe(made)}")
    return made
