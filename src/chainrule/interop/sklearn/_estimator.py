"""The work of both estimators: from a table and its answers to a training run, and from its record to a network.

An estimator keeps the record that its run ended with. `partial_fit` goes on from there, and so does `fit` with
`warm_start`: with the moments of the optimizer and the state of the generator.
"""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from attrs import evolve
from numpy.typing import ArrayLike, NDArray

from chainrule import tree
from chainrule.arrays.types import Array, Generator
from chainrule.encoder import Network, network_of_some_seed
from chainrule.interop.files import file_at, replacing
from chainrule.interop.sklearn._epochs import Fit, refuse_what_diverged, until_it_stands
from chainrule.interop.sklearn._options import Builder, Options
from chainrule.interop.sklearn._rows import Rows
from chainrule.interop.sklearn._scikit_learn import BaseEstimator, checked, utils, validation, weights_of_rows
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.losses.weighted import weighted
from chainrule.optimizer import Optimizer
from chainrule.training.held_out import PIECE, outputs
from chainrule.training.inference import inference
from chainrule.training.run import Run
from chainrule.training.train import train

SEEDS = 2**31 - 1
"""Whole numbers that a generator is made of are below it."""


class Estimator(BaseEstimator, ABC):
    """A network with scikit-learn's methods. A subclass says what it learns from targets, and what its outputs mean."""

    network_: Network[Any]
    params_: Any
    loss_curve_: list[float]
    validation_curve_: list[float]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _loss: ClassVar[Loss[Any, Any]]
    _of_y: ClassVar[Mapping[str, bool]]
    """The demands on y, for `validate_data`."""
    _run: Run[Any, Any]
    """The record that the last fit ended with."""
    _network: Any
    """The network that is trained, or a function of a seed."""
    _dtype: Any
    _made_by: object
    """The option `optimizer` of which the state in the record is."""

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        activation: Layer[tuple[()], Any] | None = None,
        *,
        network: Builder | None = None,
        optimizer: Callable[[Any], Optimizer[Any, Any]] | None = None,
        learning_rate: float | Callable[[Any], Any] = 1e-3,
        batch_size: int = 200,
        max_epochs: int = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        tol: float = 1e-4,
        class_weight: "dict[Any, float] | str | None" = None,
        warm_start: bool = False,
        dtype: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        """Keep the options as they are: scikit-learn wants them checked where `fit` begins.

        Parameters
        ----------
        hidden
            The widths of the hidden layers; () for a linear model.
        activation
            The layer after each of them, such as `chainrule.sigmoid`: one without parameters. `relu` if None.
        network
            `(n_in, n_out, rng) -> (network, params)`, to build any other network: for so many columns of X, as many
            outputs as there are classes or numbers to predict, and with a generator for the parameters, which are then
            moved to the dtype. The network may be a function of a seed, as one with dropout is. To be pickled, it must
            be made of functions of a module.
        optimizer
            A function of the rate, such as `chainrule.adamw` or `functools.partial(chainrule.sgd, momentum=0.9)`;
            `adam` if None.
        learning_rate
            The rate: a number, or a schedule that the optimizer takes.
        batch_size
            Rows in a batch. If there are fewer, all of them are one.
        max_epochs
            How many epochs a call of `fit` takes at most.
        early_stopping
            True to hold rows out, and to end with the parameters whose loss on these was the least.
        validation_fraction
            The part of the rows that is held out: of each class alike.
        patience
            Fitting ends when the loss has not fallen by `tol` for so many epochs: that on the rows that are held out,
            if there are some, else that on all.
        tol
            By how much it must fall below the least so far.
        class_weight
            Of a classifier: a dict from classes to weights, or "balanced" for all classes to weigh the same together.
        warm_start
            True for `fit` to go on where the last call ended, with the same network and the moments of the optimizer.
        dtype
            That of the parameters, "float16", "float32" or "float64", to which X is moved. If None, that of X where it
            is float32, and float64 else.
        random_state
            A seed or a `numpy.random.RandomState`, of which the generators of all that is random are made. If None,
            they are made of NumPy's global one, as everywhere in scikit-learn.
        verbose
            1 to see a bar or a line for each epoch: see `chainrule.training.progress`.
        """
        self.hidden = hidden
        self.activation = activation
        self.network = network
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network until the loss falls no more, or for `max_epochs`.

        Ctrl-C ends it with a warning, and the last whole epoch stays. If there is none yet, nothing does.

        Parameters
        ----------
        X
            (n, features): the rows of a table, an array or a data frame.
        y
            The answers.
        sample_weight
            (n,): a weight for each row, not negative; a row with weight 0 is left out. A batch's loss is the weighted
            mean of those of its rows.

        Returns
        -------
        The estimator, fitted.

        Raises
        ------
        ValueError
            If an option is out of range, X, y or the weights do not fit, or the parameters do not stay finite.
        TypeError
            If an option is of another kind, or X is sparse.
        """
        return self._trained(X, y, sample_weight)

    def export_onnx(self, path: "str | os.PathLike[str]") -> None:
        """Write an ONNX model of the fitted network: from rows of X to numbers, or to the probabilities of classes.

        The rows are of the dtype that the network was trained in. It takes `pip install 'chainrule[onnx]'`.

        Parameters
        ----------
        path
            The file, which is replaced if it is there, in one step.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If a layer of the network does not say how it is exported: see `chainrule.interop.onnx.export`; or the path
            is none.
        OSError
            If the file can't be written. Then an older one is as it was.
        """
        validation.check_is_fitted(self)
        ours, onnx = import_module("chainrule.interop.onnx"), import_module("onnx")
        x = np.zeros((1, self.n_features_in_), self._dtype)
        with replacing(file_at("export_onnx", path)) as unfinished:
            onnx.save(ours.export(*self._answering(), x), unfinished)

    def _answering(self) -> tuple[Any, Any]:
        return self.network_, self.params_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_run")

    @abstractmethod
    def _targets(self, y: Any, dtype: Any, *, first: bool, classes: Any, one_more: bool) -> tuple[Any, int]:
        """The targets that the loss takes, made of y, and the number of outputs that the network needs."""

    @abstractmethod
    def _weights(self, given: Any, labels: Any, *, one_more: bool) -> Any:
        """The weight of each row, or None, of what the caller has given for each."""

    def _trained(self, X: Any, y: Any, sample_weight: Any, *, one_more: bool = False, classes: Any = None) -> Self:
        """Fit; or go on for one epoch more. What fails leaves the estimator as it was."""
        before = {**vars(self)}
        try:
            return self._fitted(X, y, sample_weight, one_more=one_more, classes=classes)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fitted(self, X: Any, y: Any, sample_weight: Any, *, one_more: bool, classes: Any) -> Self:
        owner, options = type(self).__name__, Options.of(self)
        if one_more and options.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        before = self._run if (one_more or options.warm_start) and hasattr(self, "_run") else None
        dtype = self._dtype if before else options.dtype or (np.float64, np.float32)
        x, y = checked(self, X, y, reset=before is None, dtype=dtype, **self._of_y)
        targets, n_out = self._targets(y, x.dtype, first=before is None, classes=classes, one_more=one_more)
        given = None if sample_weight is None else weights_of_rows(sample_weight, x)
        rows = Rows.that_count(owner, x, targets, self._weights(given, targets, one_more=one_more))
        random_state = utils.check_random_state(self.random_state)
        rng = np.random.default_rng(random_state.randint(SEEDS, size=4))
        network, params = (self._network, before.best) if before else made(owner, options, rng, rows.x, n_out)
        held_out = None
        if options.early_stopping:
            rows, held_out = rows.parted(options.validation_fraction, random_state, by_target=targets.dtype.kind == "i")
        runs = train(
            network,
            self._loss if rows.weights is None else weighted(self._loss),
            options.optimizer,
            params,
            rows.data,
            rng=rng,
            size=options.batch_size,
            epochs=(before.epoch if before else 0) + (1 if one_more else options.max_epochs),
            held_out=None if held_out is None else held_out.data,
            start=None if before is None else self._begun_again(before, options),
        )
        fit = until_it_stands(runs, options)
        refuse_what_diverged(owner, fit.run)
        self._network, self._made_by, self._dtype = network, self.optimizer, x.dtype
        return self._with(fit)

    def _begun_again(self, run: Run[Any, Any], options: Options) -> Run[Any, Any]:
        """The record to go on from: that of the parameters in use. Another optimizer begins with a state of its own."""
        return evolve(
            run,
            params=run.best,
            statistics=run.best_statistics,
            state=run.state if self._made_by is self.optimizer else options.optimizer.init(run.best),
            best_step=run.step,
            best_loss=math.inf,
        )

    def _with(self, fit: Fit) -> Self:
        run, goes_on = fit.run, fit.run.epoch > len(fit.losses)
        self._run, self.params_, self.n_iter_ = run, run.best, run.epoch
        self.network_ = inference(
            network_of_some_seed(type(self).__name__, self._network), run.best, statistics=run.best_statistics
        )
        self.loss_curve_ = [*(self.loss_curve_ if goes_on else ()), *fit.losses]
        self.validation_curve_ = [*(self.validation_curve_ if goes_on else ()), *fit.held_out]
        return self

    def _outputs(self, X: Any) -> Array:
        validation.check_is_fitted(self)
        x = checked(self, X, reset=False, dtype=self._dtype)
        return outputs(self.network_, self.params_, x, len(x), PIECE)


def made(owner: str, options: Options, rng: Generator, x: Array, n_out: int) -> tuple[Any, Any]:
    network, drawn = options.build(x.shape[1], n_out, rng)
    params = tree.map(partial(_in_dtype, x.dtype), drawn)
    some = x[:2]
    out = network_of_some_seed(owner, network).forward(params, some)[0]
    if out.shape != (len(some), n_out):
        raise ValueError(f"{owner}: network must give {(len(some), n_out)} for {len(some)} rows, got {out.shape}")
    return network, params


def _in_dtype(dtype: Any, leaf: Any) -> Any:
    """An array of parameters in a dtype; whole numbers stay."""
    return leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf
