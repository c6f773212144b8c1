"""Each law as a function of its own, so that a test runner shows them one by one.

    @pytest.mark.parametrize("law", each_law(scale, params, x))
    def test_scale(law):
        law()

Nothing but NumPy is needed, and pytest to run them. For drawn cases there is `chainrule.testing`.
"""
# ruff: noqa: PLC0415  # laws are imported where they are run: asking for a name must not wait for them

from collections.abc import Callable
from typing import Any, TypeVar, overload
from zlib import crc32

import numpy as np
from attrs import field, frozen

from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array
from chainrule.checking.check import check_layer, check_loss, check_network, check_optimizer
from chainrule.checking.effort import Effort, is_quick
from chainrule.checking.report import Report
from chainrule.encoder import Encoder
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

P = TypeVar("P")
T = TypeVar("T")
S = TypeVar("S")
X = TypeVar("X")

CASES = (
    "(layer, params, x)",
    "(loss, out, targets)",
    "(network, loss, params, x, targets)",
    "(optimizer, params, grads)",
)
"""Things that can be checked: a subject, and the arguments to run it on.

Examples
--------
>>> from chainrule.checking import each_law
>>> each_law.CASES[0]
'(layer, params, x)'
"""


@frozen(eq=False)
class CheckedLaw:
    """A law of one subject, on the arguments that it is run on. Call it: it raises if the law does not hold.

    Parameters
    ----------
    name
        The name of the law. pytest shows it: `test_scale[derivative]`.
    report
        The function that checks it and gives the verdicts: the same at every call.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import each_law, relu
    >>> law = each_law(relu, (), np.random.default_rng(0).standard_normal((4, 3)))[0]
    >>> law()  # it holds
    """

    name: str
    report: Callable[[], Report] = field(repr=False)

    @property
    def __name__(self) -> str:
        """The name of the law: pytest names a test by it, as if this were a function."""
        return self.name

    def __call__(self) -> None:
        """Raise an AssertionError that holds the table, unless the law holds for every field."""
        __tracebackhide__ = True  # pytest then shows the line of the test, and not this one
        self.report().raise_if_wrong()


@overload
def each_law(
    subject: Layer[P, Any] | Encoder[P, Any, X],
    params: P,
    x: Array | X,
    /,
    *,
    seed: int = 0,
    surrogate: bool = False,
    effort: Effort = "full",
) -> list[CheckedLaw]: ...
@overload
def each_law(
    subject: Loss[T, Any], out: Array, targets: T, /, *, seed: int = 0, effort: Effort = "full"
) -> list[CheckedLaw]: ...
@overload
def each_law(
    subject: Layer[P, Any] | Encoder[P, Any, X],
    loss: Loss[T, Any],
    params: P,
    x: Array | X,
    targets: T,
    /,
    *,
    seed: int = 0,
    effort: Effort = "full",
) -> list[CheckedLaw]: ...
@overload
def each_law(subject: Optimizer[P, Any], params: P, grads: P, /, *, seed: int = 0) -> list[CheckedLaw]: ...
def each_law(
    subject: Any, /, *arguments: Any, seed: int = 0, surrogate: bool = False, effort: Effort = "full"
) -> list[CheckedLaw]:
    """Each law that `check_layer` or one of its sisters would check, as a function of its own.

    Parameters
    ----------
    subject
        A layer, an encoder, a loss or an optimizer; or a network, if a loss comes next.
    *arguments
        What the check of it takes: `params, x` of a layer, `out, targets` of a loss, `params, grads` of an optimizer,
        `loss, params, x, targets` of a network.
    seed
        Of all random numbers. A law draws the same ones at each call, whether others are run or not.
    surrogate
        Whether the backward of the layer is meant to differ from the derivative: see `check_layer`.
    effort
        Which laws, and how much each does: see `check_layer`. An optimizer is checked in a moment and knows no effort.

    Returns
    -------
    list[CheckedLaw]
        Functions without arguments, for `pytest.mark.parametrize`. A law that says nothing of the subject holds.

    Raises
    ------
    TypeError
        If the subject and its arguments are none of these four.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import each_law, relu
    >>> laws = each_law(relu, (), np.random.default_rng(0).standard_normal((4, 3)))
    >>> laws[1].name
    'structure'
    >>> for law in laws:
    ...     law()
    """
    check = checker(subject, *arguments, surrogate=surrogate, effort=effort)

    def law(name: str) -> CheckedLaw:
        def report() -> Report:
            return check(rng=np.random.default_rng((seed, crc32(name.encode()))), only=(name,))

        return CheckedLaw(name, report)

    return [law(name) for name in _laws(subject, *arguments, surrogate=surrogate, effort=effort)]


def checker(*case: Any, surrogate: bool = False, effort: Effort = "full") -> Callable[..., Report]:
    """Find the check for a subject and its arguments.

    Parameters
    ----------
    *case
        One of `CASES`.
    surrogate
        Whether the backward of a layer is meant to differ from the derivative.
    effort
        Of the check; that of an optimizer knows none.

    Returns
    -------
    Callable
        `check_layer` or one of its sisters on these arguments: what it still takes is `rng` and `only`.

    Raises
    ------
    TypeError
        If it is none of them.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import sgd
    >>> from chainrule.checking.each_law import checker
    >>> checker(sgd(0.1), np.ones(3), np.ones(3))(rng=np.random.default_rng(0)).ok
    True
    """
    checks: dict[str, Callable[..., Report]] = {
        "layer": check_layer,
        "loss": check_loss,
        "network": check_network,
        "optimizer": check_optimizer,
    }
    kind = _kind(case)
    if surrogate and kind != "layer":
        raise TypeError(f"surrogate: only a layer can have a surrogate for its derivative, got {_described(case)}")
    options: dict[str, Any] = {"surrogate": True} if surrogate else {}
    if kind != "optimizer":
        options["effort"] = effort

    def check(**others: Any) -> Report:
        return checks[kind](*case, **options, **others)

    return check


def _kind(case: tuple[Any, ...]) -> str:
    subject = case[0] if case else None
    if isinstance(subject, Layer | Encoder):
        if len(case) == 3:
            return "layer"
        if len(case) == 5 and isinstance(case[1], Loss):
            return "network"
    elif len(case) == 3 and isinstance(subject, Loss):
        return "loss"
    elif len(case) == 3 and callable(getattr(subject, "init", None)) and callable(getattr(subject, "step", None)):
        return "optimizer"
    of_formula = len(case) > 2 and all(map(callable, case[:2]))
    hint = ": a function and its formula are checked by check_against" if of_formula else ""
    raise TypeError(f"expected {', '.join(CASES[:-1])} or {CASES[-1]}, got {_described(case)}{hint}")


def _described(case: tuple[Any, ...]) -> str:
    return f"({', '.join(map(describe, case))})"


def _laws(*case: Any, surrogate: bool, effort: Effort) -> list[str]:
    from chainrule.laws.running import LAWS, asked

    return asked(LAWS[_kind(case)], quick=is_quick(effort, "each_law"), surrogate=surrogate)


__all__ = ["CASES", "CheckedLaw", "checker", "each_law"]
