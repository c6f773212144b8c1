"""Show attrs classes with the constructors that attrs writes for them, which griffe, reading source, does not see."""

from collections.abc import Iterator
from typing import Any

from griffe import (
    Attribute,
    Class,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

BUILDERS = {"attrs.define", "attrs.frozen"}


class AttrsExtension(Extension):
    """Give every class under `@frozen` or `@define` an `__init__` that takes its fields, those of its bases first."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Act on every class, once all of them are read."""
        for module in _modules(pkg):
            for cls in module.classes.values():
                if not cls.is_alias and _is_built(cls) and "__init__" not in cls.members:
                    bases = [base for base in reversed(cls.mro()) if _is_built(base)]
                    cls.set_member("__init__", _constructor(cls, [each for c in (*bases, cls) for each in _fields(c)]))


def _modules(module: Module) -> Iterator[Module]:
    yield module
    for each in module.modules.values():
        if not each.is_alias:
            yield from _modules(each)


def _is_built(cls: Class) -> bool:
    """Tell if attrs writes the constructor."""
    return bool(BUILDERS & {d.value.canonical_path for d in cls.decorators if isinstance(d.value, Expr)})


def _fields(cls: Class) -> list[Parameter]:
    return [_parameter(m) for m in cls.members.values() if isinstance(m, Attribute) and m.annotation]


def _constructor(cls: Class, fields: list[Parameter]) -> Function:
    """A function whose source is that of the class."""
    parameters = Parameters(Parameter("self", kind=ParameterKind.positional_or_keyword), *fields)
    return Function("__init__", parameters=parameters, lineno=cls.lineno, endlineno=cls.endlineno, parent=cls)


def _parameter(field: Attribute) -> Parameter:
    """The argument that sets a field: `x: int = field(default=1)` has the default 1, as `x: int = 1` has."""
    default, kind = field.value, ParameterKind.positional_or_keyword
    if isinstance(default, ExprCall) and default.canonical_path.endswith(".field"):  # a class may have a field `field`
        options = {a.name: a.value for a in default.arguments if isinstance(a, ExprKeyword)}
        default = options.get("default")
        kind = ParameterKind.keyword_only if str(options.get("kw_only")) == "True" else kind
    if isinstance(default, ExprCall) and default.canonical_path == "attrs.Factory":
        default = "..."  # made when the record is; its docstring says how
    return Parameter(field.name, annotation=field.annotation, kind=kind, default=default)
