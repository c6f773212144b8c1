"""Names and docstrings of layers and losses: given by their authors, or found from their functions.

Copies and pickles use the name as well: the value that a module calls `affine` comes back as itself, and the result of
`layer_norm(eps=1e-5)` is made again by calling it.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import signature
from types import FunctionType
from typing import Any, Protocol, TypeVar

from chainrule.arrays.records import summary
from chainrule.parts import layers_of

T = TypeVar("T")


Method = TypeVar("Method", bound=Callable[..., object])


def public(name: str) -> Callable[[Method], Method]:
    """Decorate a method with the name that users know it by: Python says it where a call lacks an argument."""

    def renamed(method: Method) -> Method:
        method.__qualname__ = name
        return method

    return renamed


class Named(Protocol):
    """A layer or a loss: a record with a forward function."""

    @property
    def forward(self) -> Callable[..., Any]:
        """Any function."""
        ...


def name_of(subject: Named) -> str:
    """Name a layer or a loss.

    Parameters
    ----------
    subject
        A layer or a loss.

    Returns
    -------
    str
        Its trait `name`. Without one, the name that the module of its `forward` gives it (`square` in
        `square = Layer(forward, backward)`); failing that, the `name` of the object whose method `forward` is, as that
        of a layer of the library is one; or the name of the function itself or of what it stands in
        (`scale` for `scale_forward`, `leaky_relu` for a `forward` inside `leaky_relu`), or of its module. Options that
        `functools.partial` binds follow in brackets if they are numbers or text: `leaky_relu(0.1)`.

    Examples
    --------
    >>> from chainrule import affine, softmax_cross_entropy
    >>> from chainrule.naming import name_of
    >>> name_of(affine), name_of(softmax_cross_entropy)
    ('affine', 'softmax_cross_entropy')
    """
    given: str | None = getattr(subject, "name", None)
    if given is not None:
        return given
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
    owner = getattr(getattr(function, "__self__", None), "name", None)  # the arithmetic of a layer or a loss
    return (owner if isinstance(owner, str) else _name_of_function(function)) + (
        f"({', '.join(options)})" if options else ""
    )


def title_of(subject: Named) -> str:
    """Name a layer or a loss, and the layers that it is made of.

    Parameters
    ----------
    subject
        A layer or a loss.

    Returns
    -------
    str
        Its name, and in brackets those of its parts, and its options.

    Examples
    --------
    >>> from chainrule import affine, relu, sequential
    >>> from chainrule.naming import title_of
    >>> title_of(sequential(sequential(affine, relu), affine))
    'sequential(sequential(affine, relu), affine)'
    """
    name = name_of(subject)
    inside = [title_of(part) for part in layers_of(subject)]
    if not inside:
        return name
    base, _, options = name.partition("(")
    return f"{base}({', '.join([*inside, *([options[:-1]] if options else [])])})"


def titled(name: str, options: dict[str, Any]) -> str:
    """A name with its options: `layer_norm(eps=1e-05)`."""
    return f"{name}({', '.join(f'{key}={_shown(value)}' for key, value in options.items())})" if options else name


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The options that `functools.partial` binds by name."""
    return {**options_of(function.func), **function.keywords} if isinstance(function, partial) else {}


def unbound(function: Any) -> Any:
    """A function without the options that `functools.partial` binds."""
    return unbound(function.func) if isinstance(function, partial) else function


class Page:
    """The docstring of a class, and of each of its instances one of its own: `help(relu)` shows what relu is."""

    def __init__(self, of_class: str | None) -> None:
        self.of_class = of_class

    def __get__(self, instance: Any, owner: type) -> str | None:
        """The page of the instance, or that of the class."""
        return self.of_class if instance is None else _page_of(instance) or self.of_class


def paged(cls: type[T]) -> type[T]:
    """Give the instances of a class docstrings of their own."""
    described: Any = cls
    described.__doc__ = Page(cls.__doc__)
    return cls


def made_again(subject: Any, parts: tuple[Any, ...]) -> Any:
    """A layer of layers, made again of as many other layers in their places, with the same options.

    None if it is not known what made the layer.
    """
    module, name, value = _origin(subject)
    return _made(module, name, parts, options_of(subject.rule.source)) if callable(value) else None


def can_be_made_again(subject: Any) -> bool:
    """Tell if the maker of a layer of layers is known, so that it can be made again of others."""
    return callable(_origin(subject)[2])


def reduced(subject: Any) -> tuple[Any, ...]:
    """The value of `__reduce__` for a layer or a loss: the name of its value, or of the function that returned it."""
    module, name, value = _origin(subject)
    if value is subject:
        return _value, (module, name)
    if callable(value):
        return _made, (module, name, layers_of(subject), options_of(subject.rule.source))
    cls: Any = subject.__class__
    return _built, (cls, {a.name: getattr(subject, a.name) for a in cls.__attrs_attrs__})


def _origin(subject: Any) -> tuple[str, str, Any]:
    """The module and the name by which a layer or a loss was written, and what is called so; None if nothing."""
    module, name = str(getattr(_source(subject), "__module__", None)), name_of(subject).partition("(")[0]
    return module, name, getattr(sys.modules.get(module), name, None)


def _source(subject: Any) -> Any:
    """The function that its author wrote to go forward, without options; None if there is no rule that tells."""
    return unbound(getattr(subject.rule, "source", None))


def _value(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _made(module: str, name: str, parts: tuple[Any, ...], options: dict[str, Any]) -> Any:
    make, named = _value(module, name), dict(options)
    return make(*parts, *named.pop(_collected(make), ()), **named)


def _collected(function: Any) -> str:
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):
        return ""
    return next((parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL), "")


def _built(cls: Any, fields: dict[str, Any]) -> Any:
    return cls(**fields)


def _page_of(subject: Any) -> str | None:
    """The docstring of the module that is the layer's home, or else of the function that goes forward.

    Its home is named as the layer is, or is that of a family, whose docstring has a formula for each: `elu(x) = ...`.
    """
    source = _source(subject)
    if source is None:
        return None
    module, name = str(source.__module__), name_of(subject).partition("(")[0]
    home = sys.modules.get(module, source)
    at_home = module.rpartition(".")[2] == name or f"\n    {name}(x) = " in (home.__doc__ or "")
    page: str | None = (home if at_home else source).__doc__
    return page


def _name_of_function(function: Callable[..., object]) -> str:
    """`scale` for `scale_forward`; where a function is called `forward` or nothing, what it stands in."""
    path = str(getattr(function, "__qualname__", type(function).__qualname__)).replace("<locals>.", "").split(".")
    module = str(getattr(function, "__module__", None) or "").split(".")
    for part in reversed([*module, *path]):
        name = part.removesuffix("_forward").removeprefix("forward_").strip("_")
        if name not in {"", "forward", "call", "lambda", "<lambda>", "main"}:
            return name
    return "layer"


def _shown(option: Any) -> str:
    if hasattr(option, "forward"):
        return title_of(option)
    return str(option.__name__) if isinstance(option, FunctionType) else summary(option)


def _is_plain(option: object) -> bool:
    return isinstance(option, int | float | str)
