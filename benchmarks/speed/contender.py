"""A contender: training steps and predictions, as iterators that do one for each item."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from speed.contenders.textbook import TwoLayerNet
from speed.problem import Problem, largest


class Contender:
    """A way to train the two-layer network and to predict with it, at the start of a problem.

    It holds the batch and the parameters in the form in which its users have them.
    """

    tolerance = 1e-5
    """The relative difference from the reference that is rounding."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def steps(self) -> Iterator[Any]:
        """Steps of training on the batch, of which each gives the new parameters and the loss before it."""
        raise NotImplementedError

    def predictions(self) -> Iterator[Any]:
        """Predictions of the batch: logits, or whatever differs from them by the same in all classes of a row."""
        raise NotImplementedError

    def ready(self, last: Any) -> object:
        """Wait for an item that is made in the background."""

    def read(self, last: Any) -> tuple[Sequence[NDArray[Any]], float | None]:
        """W1, b1, W2, b2 after a step, and its loss if there is one."""
        return [self.array(value) for value in last[0]], float(last[1])

    def array(self, value: Any) -> NDArray[Any]:
        """A parameter, or the logits of a prediction."""
        return np.asarray(value)

    def learned(self, last: Any, losses: Sequence[float]) -> float:
        """The largest relative difference from the right losses before the last step, and after it."""
        parameters, reported = self.read(last)
        pairs = [(TwoLayerNet(parameters).loss(*self.problem.doubles), losses[-1]), (reported, losses[-2])]
        return max(abs(found / right - 1) for found, right in pairs if found is not None)

    def predicted(self, last: Any) -> float:
        """The largest difference of logits from the right ones, relative to the largest."""
        right = TwoLayerNet(self.problem.start).predict(self.problem.doubles[0])
        pair = (self.array(last).astype(np.float64), right)
        ours, theirs = (array - array.mean(axis=1, keepdims=True) for array in pair)
        return largest([(ours, theirs)])


@frozen
class Entry:
    """A contender before it is imported: its library need not be there."""

    place: str
    """The module and the class."""
    what: str
    dtype: str = "float32"
    predicts: bool = True
    """Its predictions are its own, and not those of another entry."""

    def make(self, problem: Problem) -> Contender:
        """Import the contender and start it."""
        module, _, name = self.place.partition(":")
        made: Contender = getattr(import_module(f"speed.contenders.{module}"), name)(problem)
        return made


LIMIT, OURS, TORCH, COMPILED, JAX = "the limit", "chainrule", "torch", "torch.compile", "JAX"

ROSTER = {
    LIMIT: Entry("limit:Limit", "the five matrix products of a step, and nothing else"),
    OURS: Entry("ours:Ours", "`training_step`"),
    "chainrule, two calls": Entry("ours:TwoCalls", "`value_and_grad`, then `sgd(rate).step`", predicts=False),
    JAX: Entry("in_jax:Jax", "the whole step in `jax.jit`, parameters donated"),
    "JAX, loss read": Entry("in_jax:JaxRead", "the same, with each loss read before the next step", predicts=False),
    COMPILED: Entry("in_torch:Compiled", "the whole step in `torch.compile`"),
    TORCH: Entry("in_torch:Torch", "eager: `torch.autograd.grad`, update in place"),
    "scikit-learn": Entry("in_sklearn:Sklearn", "`MLPClassifier.partial_fit`, solver `sgd`"),
    "thinc": Entry("in_thinc:Thinc", "`chain(Relu, Softmax)`; computes no loss"),
    "autograd": Entry("in_autograd:Autograd", "`autograd.value_and_grad`"),
    "the original": Entry("original:Original", "layers that remember, in float64, one-hot targets", "float64"),
}
"""By the names in the tables."""
