"""Draw the pass of a docstring's examples: the layer, the parameters and the numbers that its author chose for them.

The first call of `forward` in the examples is the pass, and the first call of `backward` after it brings the
derivative with respect to the output: ones where there is none. The picture stands below the formula, before the
derivation, with the numbers of the example at the end.
"""

import ast
import doctest
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import griffe
import numpy as np
from attrs import frozen

from chainrule import Array, Loss, draw, identity, trace
from chainrule.arrays.arguments import is_a
from chainrule.inspecting.tracing.records import Trace

HEADING = "\n\nExamples\n----"
DERIVATION = "\n\n**Derivation.**"


@frozen(eq=False)
class Call:
    """A call in an example: the method as it is written, what it is called on, and with what."""

    method: str
    subject: Any
    arguments: tuple[Any, ...]


class PassesExtension(griffe.Extension):
    """Docstrings of modules that derive something show the picture of a pass below their formula."""

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Act on one module, once it has been read."""
        if mod.docstring and "**Derivation.**" in mod.docstring.value:
            mod.docstring.value = with_picture(mod.docstring.value, examples_of(mod))


def examples_of(mod: griffe.Module) -> str:
    """The text in which the examples of a module stand: its own docstring, or that of the function of its name."""
    own = mod.docstring.value if mod.docstring else ""
    named = mod.members.get(mod.name)
    return named.docstring.value if HEADING not in own and named is not None and named.docstring else own


def with_picture(text: str, examples: str) -> str:
    """The text with the picture of the examples' pass before its derivation; as it is, if there is no pass."""
    drawing = picture(examples)
    before, heading, after = text.partition(DERIVATION if DERIVATION in text else HEADING)
    return text if drawing is None else f"{before}\n\n```picture\n\n{drawing}\n```{heading}{after}"


def picture(examples: str) -> str | None:
    """The drawing of the pass, as SVG."""
    calls = [*called(examples)]
    forward = next((call for call in calls if call.method == "forward"), None)
    if forward is None:
        return None
    if is_a(forward.subject, Loss):
        return draw(_through(forward.subject, *forward.arguments)).svg
    back = next((call for call in calls if call.method == "backward"), None)
    dout = np.ones_like(forward.subject.forward(*forward.arguments)[0]) if back is None else back.arguments[1]
    return draw(trace(forward.subject, *forward.arguments, dout=dout)).svg


def _through(loss: Loss[Any, Any], out: Array, targets: Any) -> Trace:
    return trace(identity, (), out, loss, targets)


def called(docstring: str) -> Iterator[Call]:
    """The calls of a `forward` or a `backward` in the examples, with what they were called with."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(docstring):
        parsed = ast.parse(example.source)
        for node in ast.walk(parsed):
            match node:
                case ast.Call(ast.Attribute(value, "forward" | "backward" as method), args):
                    subject, *arguments = (_value(part, names) for part in (value, *args))
                    yield Call(method, subject, tuple(arguments))
                case _:
                    pass
        with redirect_stdout(io.StringIO()):
            exec(compile(parsed, "<examples>", "exec"), names)  # noqa: S102  # of our own docstrings


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "<examples>", "eval"), names)  # noqa: S307  # the same
