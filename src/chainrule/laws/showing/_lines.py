"""Lines of code that show a wrong number without this library: in NumPy, in torch or in JAX."""

from collections.abc import Iterator

from chainrule.laws.showing._author import Author, Shown
from chainrule.laws.showing._dialects import dialect
from chainrule.laws.showing._pair import Pair


def lines_of(shown: Shown, author: Author) -> str:
    code = dialect(shown, author)
    return code.translated("\n".join(_lines(shown, code)))


def _lines(shown: Shown, code: Pair) -> Iterator[str]:
    yield from code.start
    if not shown.step:
        yield "def result(dtype):"
        yield from (f"    {line}" for line in (*code.setting(), f"return {code.got}"))
        yield f"print(result({code.module}.{shown.dtype}), result({code.module}.float64))"
        return
    yield from code.setting()
    yield f"def loss(step):  # {code.got} is the derivative of this at 0"
    yield from (f"    {line}" for line in code.moved())
    yield f"h = {shown.step:.0e}"
    sides = (
        "(loss(0.0) - loss(-h)) / h, (loss(h) - loss(0.0)) / h" if shown.kinked else "(loss(h) - loss(-h)) / (2 * h)"
    )
    yield f"print({code.got}, {sides})"
