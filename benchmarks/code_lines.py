"""The lengths of the files that define layers, combinators, losses and optimizers."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import chainrule

PACKAGE = Path(__file__).parent.parent / "src" / "chainrule"
ROOMS = ("layers", "combinators", "losses", "optimizers")
BLANK = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def files() -> Iterator[Path]:
    """Those of the rooms that hold code."""
    for room in ROOMS:
        yield from (path for path in sorted((PACKAGE / room).rglob("*.py")) if path.name != "__init__.py")


def public(path: Path) -> list[str]:
    """The names of the library that a file defines, in their order."""
    name = ".".join(("chainrule", *path.relative_to(PACKAGE).with_suffix("").parts))
    here = vars(import_module(name))
    defined = re.findall(r"^(?:def |class |(?=\w+(?:: | = )))(\w+)", path.read_text("utf-8"), re.MULTILINE)
    return [each for each in dict.fromkeys(defined) if getattr(chainrule, each, here) is here.get(each)]


def code_lines(source: str) -> int:
    """The lines that hold code, imports among them; not those that are blank, a comment or a docstring."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in BLANK]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    alone = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    texts = (node for node in alone if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str))
    return len(code - {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)})
