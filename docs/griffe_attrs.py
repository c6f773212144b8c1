"""Show attrs classes with the constructors that attrs writes for them, which griffe, reading source, does not see."""

from typing import Any

from griffe import (
    Attribute,
    Class,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Parameter,
    ParameterKind,
    Parameters,
)

BUILDERS = {"attrs.define", "attrs.frozen"}


class AttrsExtension(Extension):
    """Give every class under `@frozen` or `@define` an `__init__` that takes its fields."""

    def on_class(self, *, cls: Class, **kwargs: Any) -> None:
        """Act on one class, once its members are known."""
        decorators = {d.value.canonical_path for d in cls.decorators if isinstance(d.value, Expr)}
        if decorators & BUILDERS and "__init__" not in cls.members:
            fields = [_parameter(m) for m in cls.members.values() if isinstance(m, Attribute) and m.annotation]
            cls.set_member("__init__", _constructor(cls, fields))


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
