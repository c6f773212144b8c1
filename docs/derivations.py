r"""Typeset the formulas of docstrings, which are lines of plain text there.

A docstring says `dL = <dout W^T, dx>` in an indented block, and the site shows it as mathematics. The plain form is a
small language: sums, products by juxtaposition, `a / b`, `x^T`, `e_j`, `f(x)`, `f'(x)`, `|x|`, inner products
`<a, b>` and relations. Two spaces or more part what stands beside each other on a line; a part that is no formula is a
remark, and `x (n, d)` gives a shape. A block with a line that holds no relation stays as it is.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from attrs import define

SOURCE = Path(__file__).parents[1] / "src"
PAGE = "explanation/derivations.md"
FOLDERS = ("layers", "combinators", "losses", "optimizers")

BLOCK = re.compile(r"(?:^    .*(?:\n|\Z))+", re.MULTILINE)
TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*'*)"
    r"|(?P<dots>\.\.\.)"
    r"|(?P<sign><-|<=|>=|!=|==|[-+*/^=<>(),|])"
)
RELATION = re.compile(r"(=|\\leftarrow)")  # at which lines are aligned
RELATIONS = {"=": "=", "!=": r"\ne", "<=": r"\le", ">=": r"\ge", "<": "<", ">": ">", "<-": r"\leftarrow"}
FUNCTIONS = {"cos", "exp", "log", "max", "min", "sin", "sinh", "cosh", "tanh"}  # which TeX knows
GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "lambda", "mu", "pi", "sigma", "theta"}
WORDS = {"else", "for", "if", "of", "or", "over", "so", "where", "with"}
REMARK = re.compile(r"\b(and|are|at|by|every|is|the|then|to)\b")
SHAPE = re.compile(r"(\w+) \(((?:\w+|\.\.\.)(?:,|(?:, (?:\w+|\.\.\.))+))\)")
ENTRY_BY_ENTRY = "(* entry by entry)"
LITERAL = r"^    [^\n]*$|\$\$\n.*?\n\$\$|`[^`]*`"
PAIR = r"<(?! )[^<>`\n]+, [^<>`\n]+(?<! )>"
INLINE = re.compile(rf"(?P<literal>{LITERAL})|(?:\b\w+ = )?{PAIR}(?: = {PAIR})*", re.DOTALL | re.MULTILINE)


class NotAFormulaError(ValueError):
    """A line is not in the language."""


@define
class Token:
    """A name, a number or a sign, and whether a space stands before it."""

    kind: str
    text: str
    spaced: bool


@define
class Parser:
    """Reads one formula and writes it as TeX."""

    tokens: list[Token]
    product: str
    position: int = 0

    def peek(self, *texts: str) -> bool:
        """Tell if the next token is one of these signs."""
        token = self.next()
        return token is not None and token.kind == "sign" and token.text in texts

    def next(self) -> Token | None:
        """The next token, not taken yet."""
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self, text: str | None = None) -> Token:
        """Take the next token, which must be this sign if one is given."""
        token = self.next()
        if token is None or (text is not None and token.text != text):
            raise NotAFormulaError(f"expected {text}, got {token and token.text}")
        self.position += 1
        return token

    def formula(self) -> str:
        """All tokens: sums with relations, commas and words between them."""
        parts: list[str] = []
        after_sum = False  # and there < is a relation, elsewhere it opens an inner product
        while (token := self.next()) is not None:
            if self.peek(*RELATIONS) and (after_sum or token.text == "="):
                parts.append(RELATIONS[self.take().text])
            elif self.peek(","):
                self.take()
                parts.append(r",\;")
            elif token.text in WORDS:
                self.take()
                parts.append(rf"\text{{ {token.text} }}")
            else:
                parts.append(self.sum())
                after_sum = True
                continue
            after_sum = False
        return " ".join(parts)

    def sum(self) -> str:
        """Products with `+` and `-` between them."""
        parts = [self.take().text] if self.peek("-") else []
        parts.append(self.quotient())
        while self.peek("+", "-"):
            parts.append(self.take().text)
            if self.next() is not None and not self.peek(")"):
                parts.append(self.quotient())
        return " ".join(parts)

    def quotient(self) -> str:
        """Products, divided from left to right."""
        value = self.factors()
        while self.peek("*", "/"):
            if self.take().text == "*":
                value = f"{value} {self.product} {self.factors()}"
            else:
                value = rf"\frac{{{bare(value)}}}{{{bare(self.unit())}}}"
        return value

    def factors(self) -> str:
        """Factors that stand beside each other."""
        parts = [self.unit()]
        while self.begins():
            if parts == ["1"]:
                parts = [r"\mathbf{1}"]  # the number 1 multiplies nothing: it is the vector of ones
            parts.append(self.unit())
        return r" \, ".join(parts)

    def begins(self) -> bool:
        """Tell if another factor can begin here. A bar or an angle ends what it encloses."""
        token = self.next()
        if token is None or token.text in WORDS:
            return False
        # As in `p <p, g>`: a relation has a space on either side.
        inner = token.text == "<" and not all(after.spaced for after in self.tokens[self.position + 1 :][:1])
        return token.kind != "sign" or token.text == "(" or inner

    def unit(self) -> str:
        """A number with what it is written to, or a name, brackets or a function, with its exponent."""
        value = self.power()
        token = self.next()
        if re.fullmatch(r"\d+", value) and token is not None and token.kind == "name" and not token.spaced:
            value += self.power()
        return value

    def power(self) -> str:
        """An operand and its exponent."""
        value = self.operand()
        if self.peek("^"):
            self.take()
            exponent = self.operand()
            value = r"\mathbf{1}^\top" if (value, exponent) == ("1", "T") else f"{value}^{{{_exponent(exponent)}}}"
        return value

    def operand(self) -> str:
        """A number, a name, a call, or something in brackets."""
        token = self.take()
        match token.kind, token.text:
            case "number", text:
                value = _number(text)
            case "dots", _:
                value = r"\cdots"
            case "name", name if self.peek("(") and not self.tokens[self.position].spaced:
                value = self.call(name)
            case "name", name:
                value = _name(name)
            case "sign", "(":
                value = rf"\left( {self.listed(')')} \right)"
            case "sign", "<":
                value = rf"\langle {self.listed('>')} \rangle"
            case "sign", "|":
                value = rf"\lvert {self.sum()} \rvert"
                self.take("|")
            case _:
                raise NotAFormulaError(token.text)
        return value

    def call(self, name: str) -> str:
        """A function and its arguments; a sum or a root of one thing goes without brackets."""
        self.take("(")
        inside = self.listed(")")
        if name == "sqrt":
            return rf"\sqrt{{{inside}}}"
        if name.endswith("_"):  # x_(p + k)
            return f"{_name(name[:-1])}_{{{inside}}}"
        total = re.fullmatch(r"sum(?:_(\w))?", name)
        over = rf"\sum_{{{total[1]}}}" if total and total[1] else r"\sum"
        function = over if total else rf"\{name}" if name in FUNCTIONS else _name(name)
        if total and not re.search(r" [-+] | \\(cdot|odot) ", inside):
            return f"{over} {inside}"
        function = r"\mathrm{d}" if name == "d" else function
        tall = r"\frac" in inside or r"\sum" in inside
        return rf"{function}\left( {inside} \right)" if tall else f"{function}({inside})"

    def listed(self, end: str) -> str:
        """Sums with commas between them, and the bracket that ends them."""
        parts = [self.sum()]
        while self.peek(","):
            self.take()
            if not self.peek(end):
                parts.append(self.sum())
        self.take(end)
        return ", ".join(parts)


def translate(block: str, *, entry_by_entry: bool = False) -> str | None:
    r"""Write a block of formulas as TeX.

    Parameters
    ----------
    block
        Lines, without their indentation.
    entry_by_entry
        Whether `*` is the product entry by entry. A block can say so itself.

    Returns
    -------
    str or None
        An `aligned` environment, or None if the block is not one of formulas.

    Examples
    --------
    >>> translate("dx = dout W^T")
    '\\begin{aligned} \\mathrm{d}x &= \\mathrm{dout} \\, W^{\\top} \\end{aligned}'
    >>> translate("forward (params, x) -> (out, cache)")
    """
    product = r"\odot" if entry_by_entry or ENTRY_BY_ENTRY in block else r"\cdot"
    try:
        lines = [_line(line, product) for line in block.splitlines() if line.strip()]
    except NotAFormulaError:
        return None
    return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"


def _line(line: str, product: str) -> str:
    cells = re.split(r"\s{2,}", line.strip())
    typeset = [_cell(cell, product) for cell in cells]
    relations = [i for i, cell in enumerate(typeset) if RELATION.search(cell) and not cell.startswith(r"\text{")]
    if not relations:
        raise NotAFormulaError(line)
    typeset[relations[0]] = RELATION.sub(r"&\1", typeset[relations[0]], count=1)
    return r" \qquad ".join(typeset)


def _cell(cell: str, product: str) -> str:
    if cell == ENTRY_BY_ENTRY:
        return r"(\odot\text{ entry by entry})"
    if shape := SHAPE.fullmatch(cell):
        sides = shape[2].strip(",").split(", ")
        return _name(shape[1]) + r" \in \mathbb{R}^{" + r" \times ".join(sides).replace("...", r"\cdots") + "}"
    if re.fullmatch(r"[a-z]{2,}", cell) or REMARK.search(cell):
        return _text(cell)
    return Parser(_tokens(cell), product).formula()


def _tokens(cell: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    for match in TOKEN.finditer(cell):
        between = cell[position : match.start()]
        if between.strip():
            raise NotAFormulaError(cell)
        tokens.append(Token(str(match.lastgroup), match[0], bool(between)))
        position = match.end()
    if cell[position:].strip():
        raise NotAFormulaError(cell)
    return tokens


def _text(words: str) -> str:
    if re.search(r"[\\{}$^_#%&~]", words):
        raise NotAFormulaError(words)
    return rf"\text{{{words}}}"


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    power = f"10^{{{exponent}}}"
    return mantissa if not exponent else power if mantissa == "1" else rf"{mantissa} \cdot {power}"


def _name(name: str) -> str:
    r"""`x`, `dW` and `W1` as in books; longer names upright, as they are in the code."""
    name, primes = name.rstrip("'"), "'" * (len(name) - len(name.rstrip("'")))
    if name in GREEK:
        return rf"\{name}{primes}"
    if part := re.fullmatch(r"(d?)(" + "|".join(GREEK) + r"|[A-Za-z])_?(\w*)", name):
        d, letter, index = part.groups()
        if index == "" or index.isdigit() or (len(index) == 1 and "_" in name):
            symbol = rf"\{letter}" if letter in GREEK else letter
            return (r"\mathrm{d}" if d else "") + symbol + (f"_{{{index}}}" if index else "") + primes
    if name == "eps":
        return rf"\varepsilon{primes}"
    if name == "ih":  # the complex step
        return "ih"
    base, _, index = name.rpartition("_")
    if base and len(index) == 1:  # out_p
        return rf"\mathrm{{{base}}}_{{{index}}}{primes}"
    return r"\mathrm{" + name.replace("_", r"\_") + "}" + primes


def _exponent(exponent: str) -> str:
    if exponent == "T":
        return r"\top"
    return re.sub(r"\\frac\{(\w+)\}\{(\w+)\}", r"\1/\2", bare(exponent))


def bare(formula: str) -> str:
    """A formula without the brackets around all of it."""
    if not (formula.startswith(r"\left( ") and formula.endswith(r" \right)")):
        return formula
    depth = 0
    for match in re.finditer(r"\\left\(|\\right\)", formula):
        depth += 1 if match[0] == r"\left(" else -1
        if depth == 0:
            return formula[7:-8] if match.end() == len(formula) else formula
    return formula


class FormulasExtension(griffe.Extension):
    """Docstrings of modules whose formulas are mathematics."""

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Act on one module, once it has been read."""
        if mod.docstring:
            mod.docstring.value = typeset(mod.docstring.value)


def typeset(text: str) -> str:
    """Put the formulas among a text's indented blocks between dollar signs, and the inner products in its sentences."""
    text = BLOCK.sub(lambda block: _between_dollars(block[0], entry_by_entry=ENTRY_BY_ENTRY in text), text)
    return INLINE.sub(lambda part: part[0] if part["literal"] else _within_a_line(part[0]), text)


def _within_a_line(formula: str) -> str:
    try:
        return f"${Parser(_tokens(formula), '*').formula()}$"
    except NotAFormulaError:
        return formula


def _between_dollars(block: str, *, entry_by_entry: bool) -> str:
    tex = translate(block, entry_by_entry=entry_by_entry)
    return block if tex is None else f"$$\n{tex}\n$$\n"


def derivations() -> Iterator[tuple[str, str]]:
    """The modules that derive something, by their dotted names, and what they say."""
    for folder in FOLDERS:
        for path in sorted((SOURCE / "chainrule" / folder).rglob("*.py")):
            docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            text = typeset(docstring.partition("\n\nExamples\n----")[0])
            if "**Derivation.**" in text:
                yield path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."), text


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put every derivation on the page of derivations, each under the name of its module."""
    if page.file.src_uri != PAGE:
        return markdown
    parts = [
        f"## {module.rpartition('.')[2]}\n\n{text}\n\n[Signature, source and examples][{module}]"
        for module, text in derivations()
    ]
    return "\n\n".join([markdown, *parts])
