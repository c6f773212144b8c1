"""The code of an author's functions: of a pair of NumPy's arrays, of torch or of JAX."""

from chainrule.encoder import Encoder
from chainrule.interop.graph import Function
from chainrule.laws.of_losses._as_layer import LossForward
from chainrule.laws.showing._author import Author, Shown
from chainrule.laws.showing._jax import Jax
from chainrule.laws.showing._loss import PairOfLoss
from chainrule.laws.showing._pair import Pair, PairOfEncoder
from chainrule.laws.showing._torch import Torch


def dialect(shown: Shown, author: Author) -> Pair:
    made = author.layer.forward
    if isinstance(made, Function):
        return {"torch": Torch, "jax": Jax}[made.library](shown, author)
    if isinstance(shown.part.trial.layer.forward, LossForward):
        return PairOfLoss(shown, author)
    return PairOfEncoder(shown, author) if isinstance(author.layer, Encoder) else Pair(shown, author)
