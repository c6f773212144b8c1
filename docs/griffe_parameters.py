"""Show each parameter with its own type: griffe gives all names of a line, `layer, params, x`, that of the first."""

from collections.abc import Iterator
from typing import Any

from griffe import Class, DocstringSectionParameters, Extension, Function, Module


class ParametersExtension(Extension):
    """Give the parameters in docstrings the types and the defaults that they have in the signature."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Act on every function and class, once all of them are read and other extensions have seen them."""
        for thing in _documented(pkg):
            sections = thing.docstring.parsed if thing.docstring else []
            for section in sections:
                if isinstance(section, DocstringSectionParameters):
                    for each in section.value:
                        if each.name in thing.parameters:
                            own = thing.parameters[each.name]
                            each.annotation = own.annotation
                            each.value = own.default


def _documented(place: Module | Class) -> Iterator[Function | Class]:
    for each in place.members.values():
        if isinstance(each, Function):
            yield each
        elif isinstance(each, Class):
            yield each
            yield from _documented(each)
        elif isinstance(each, Module):
            yield from _documented(each)
