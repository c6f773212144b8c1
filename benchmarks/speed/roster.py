"""Who is measured: a name for the tables, the class, the dtype, and what it stands for."""

from importlib import import_module

import numpy as np
from attrs import frozen

from speed.contender import Contender
from speed.problem import Problem


@frozen
class Entry:
    """A contender before it is imported: its library need not be there."""

    name: str
    place: str
    """The module and the class."""
    dtype: type[np.float32 | np.float64]
    what: str
    packages: tuple[str, ...] = ()
    """What has to be installed, beside this library."""
    peer: bool = True
    """Whether it is another library."""
    predicts: bool = True
    """Whether its predictions are its own, and not those of another entry."""

    def make(self, problem: Problem) -> Contender:
        """Import the contender and start it."""
        module, _, name = self.place.partition(":")
        made: Contender = getattr(import_module(f"speed.contenders.{module}"), name)(problem)
        return made


LIMIT = "the limit"
OURS = "chainrule"
PLAIN = "chainrule, two calls"
TORCH, COMPILED = "torch", "torch.compile"
JAX, JAX_READ = "JAX", "JAX, loss read"
SKLEARN, THINC, AUTOGRAD, ORIGINAL = "scikit-learn", "thinc", "autograd", "the original"

ROSTER = (
    Entry(LIMIT, "limit:Limit", np.float32, "the five matrix products of a step, and nothing else", peer=False),
    Entry(OURS, "ours:Ours", np.float32, "`training_step`", peer=False),
    Entry(
        PLAIN,
        "plain:Plain",
        np.float32,
        "`value_and_grad`, then `sgd(rate).step`",
        peer=False,
        predicts=False,
    ),
    Entry(JAX, "in_jax:Jax", np.float32, "the whole step in `jax.jit`, parameters donated", ("jax",)),
    Entry(
        JAX_READ,
        "jax_read:JaxRead",
        np.float32,
        "the same, with each loss read before the next step",
        ("jax",),
        predicts=False,
    ),
    Entry(COMPILED, "compiled:Compiled", np.float32, "the whole step in `torch.compile`", ("torch",)),
    Entry(TORCH, "in_torch:Torch", np.float32, "eager: `torch.autograd.grad`, update in place", ("torch",)),
    Entry(SKLEARN, "in_sklearn:Sklearn", np.float32, "`MLPClassifier.partial_fit`, solver `sgd`", ("scikit-learn",)),
    Entry(THINC, "in_thinc:Thinc", np.float32, "`chain(Relu, Softmax)`; computes no loss", ("thinc", "blis")),
    Entry(AUTOGRAD, "in_autograd:Autograd", np.float32, "`autograd.value_and_grad`", ("autograd",)),
    Entry(
        ORIGINAL,
        "original:Original",
        np.float64,
        "layers that remember, in float64, one-hot targets",
        peer=False,
    ),
)

ENTRIES = {entry.name: entry for entry in ROSTER}
