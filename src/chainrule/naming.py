"""Names of layers and losses, for people: a `Layer` has none of its own, but its functions come from somewhere."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol


class Named(Protocol):
    """A layer or a loss: what has a function that goes forward."""

    @property
    def forward(self) -> Callable[..., Any]:
        """Any function."""
        ...


def name_of(subject: Named) -> str:
    """Name a layer or a loss after where it comes from.

    Parameters
    ----------
    subject
        A layer or a loss.

    Returns
    -------
    str
        The name that the module of its `forward` gives it (`affine` in `affine: Layer = Layer(forward, backward)`);
        failing that, the name of the function itself or of what it stands in (`scale` for `scale_forward`,
        `leaky_relu` for a `forward` inside `leaky_relu`), or of its module. Options that `functools.partial` binds
        follow in brackets if they are numbers or text: `leaky_relu(0.1)`.

    Examples
    --------
    >>> from chainrule import affine, softmax_cross_entropy
    >>> from chainrule.naming import name_of
    >>> name_of(affine), name_of(softmax_cross_entropy)
    ('affine', 'softmax_cross_entropy')
    """
    function: Callable[..., object] = subject.forward
    options: list[str] = []
    while isinstance(function, partial):
        options = [repr(a) for a in function.args if _is_plain(a)] + options
        options += [f"{key}={a!r}" for key, a in function.keywords.items() if _is_plain(a)]
        function = function.func
    known: dict[str, object] = getattr(function, "__globals__", {})
    for name, value in known.copy().items():  # other threads may define more meanwhile
        is_it = type(value) is type(subject) and getattr(value, "forward", None) is subject.forward
        if is_it and not name.startswith("_"):
            return str(name)
    return _name_of_function(function) + (f"({', '.join(options)})" if options else "")


def title_of(subject: Named) -> str:
    """Name a layer or a loss, and the layers that it is made of.

    Parameters
    ----------
    subject
        A layer or a loss.

    Returns
    -------
    str
        Its name, and in brackets those of the layers that `functools.partial` binds in it.

    Examples
    --------
    >>> from chainrule import affine, relu, sequential
    >>> from chainrule.naming import title_of
    >>> title_of(sequential(sequential(affine, relu), affine))
    'sequential(sequential(affine, relu), affine)'
    """
    function: Any = subject.forward
    bound: tuple[Any, ...] = function.args if isinstance(function, partial) else ()
    parts: list[Any] = []
    for each in bound:
        parts += each if isinstance(each, tuple) else [each]
    inside = [title_of(part) for part in parts if type(part) is type(subject)]
    return name_of(subject) + (f"({', '.join(inside)})" if inside else "")


def _name_of_function(function: Callable[..., object]) -> str:
    """`scale` for `scale_forward`; where a function is called `forward` or nothing, what it stands in."""
    path = str(getattr(function, "__qualname__", type(function).__qualname__)).replace("<locals>.", "").split(".")
    module = str(getattr(function, "__module__", "")).split(".")
    for part in reversed([*module, *path]):
        name = part.removesuffix("_forward").removeprefix("forward_").strip("_")
        if name not in {"", "forward", "call", "lambda", "<lambda>", "main"}:
            return name
    return "layer"


def _is_plain(option: object) -> bool:
    return isinstance(option, int | float | str)
