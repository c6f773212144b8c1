"""The formula of a thing, its derivatives, and its names in other libraries, as the docstring of its module has them.

A docstring begins with the formula. Behind **Derivation.** its indented blocks lead to lines such as `dx = dout W^T`:
those are the derivatives, and with them go the lines in which something is defined that they use, as the slope in
`dx = slope * dout`. A block that stands behind a name, such as `global_max_pool`, is of that member of a family alone.
"""

import re
from typing import Any

import griffe
from attrs import frozen
from derivations import BLOCK, ENTRY_BY_ENTRY, translate

LIBRARIES = ("torch", "Keras", "JAX")
IN_OTHERS = "**In other libraries.**"
ONE_ROW = re.compile(r"^\| torch \| Keras \| JAX \|\n\|---\|---\|---\|\n\| (.*) \|$", re.MULTILINE)

DERIVATION = re.compile(r"\*\*Derivation\.\*\*(.*?)(?=\n\n\*\*[A-Z][^*]*[.:]\*\*|\Z)", re.DOTALL)
TO_REMEMBER = re.compile(r"\*\*To remember:\*\* (.*?)(?=\n\n|\Z)", re.DOTALL)
DEFINITION = re.compile(r"(?P<left>[A-Za-z]\w*'*)(?:\(\w\))? = (?P<right>.*)")
SHAPES = re.compile(r"\w+(?:, \w+)* \((?:[\w.]+,? ?)+\)")
DIFFERENTIAL = re.compile(r"\bd(?!(?:elta|ecay)\b)[A-Za-z]\w*|\bd(?=\()")
BROUGHT = {"dout", "dloss"}
"""The derivatives that backward is given."""


@frozen
class Line:
    """A line of a derivation that defines something, and the block that it stands in."""

    block: int
    left: str
    right: str
    text: str

    @property
    def is_derivative(self) -> bool:
        """Tell `dx = ...` from what it uses; the gradient of few parameters for many has a name of its own."""
        return self.left == "gradient" or bool(DIFFERENTIAL.fullmatch(self.left))

    @property
    def symbol(self) -> str:
        """The name that it defines, without its index."""
        return re.sub(r"(?<=\w)_(?:\w|ij)$", "", self.left)

    def replaces(self, other: "Line") -> bool:
        """Tell if an earlier line was on the way to this one, as `dx_q` of one channel to the `dx` of all."""
        if self.is_derivative and other.is_derivative:
            return self.symbol.lower() == other.symbol.lower()
        return self.left == other.left

    def uses(self, other: "Line") -> bool:
        """Tell if it uses what another line defines."""
        return bool(re.search(rf"(?<![\w']){re.escape(other.symbol)}(?:_\w+)?'?(?![\w'])", self.right))


def formula(thing: griffe.Object) -> str:
    """The formulas with which the docstring of its module begins, without shapes and remarks; in a family its own."""
    said = _said(thing)
    block = BLOCK.search(said)
    if block is None:
        return ""
    shared = [line.strip() for line in block[0].splitlines()]
    own = [line for line in shared if line.startswith(f"{thing.name}(")]
    lines = [[c for c in _cells(line) if not SHAPES.fullmatch(c) and c != ENTRY_BY_ENTRY] for line in own or shared]
    beside = "\n".join("    ".join(cells) for cells in lines)
    below = re.sub(r" {4}(?=(?:(?! {4}).)*(?:=|<-))", "\n", beside)  # narrower, if each part is a formula
    return _typeset(below, said) or _typeset(beside, said)


def derivative(thing: griffe.Object) -> str:
    """The derivatives that backward computes, and what they use; in a family its own."""
    said = _said(thing)
    found = _used(_last(_lines(said, thing)))
    block = "\n".join(map(_final, found))
    return _typeset(block, said) if any(line.is_derivative for line in found) else ""


def in_others(thing: griffe.Object) -> dict[str, str]:
    """Its names in other libraries, which the table of its docstring gives: a row, or in a family one for each."""
    _, _, table = _said(thing).partition(IN_OTHERS)
    row = re.search(rf"^\| `{thing.name}` \| (.*) \|$", table, re.MULTILINE) or ONE_ROW.search(table)
    return dict(zip(LIBRARIES, row[1].split(" | "), strict=True)) if row else {}


def to_remember(thing: griffe.Object) -> str:
    """The sentence to remember; in the docstring a colon stands before it."""
    found = TO_REMEMBER.search(_said(thing))
    said = " ".join(found[1].split()) if found else ""
    return said[:1].upper() + said[1:]


def _said(thing: griffe.Object) -> str:
    return thing.module.docstring.value if thing.module.docstring else ""


def _cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def _typeset(block: str, said: str) -> str:
    tex = translate(block, entry_by_entry=ENTRY_BY_ENTRY in said)
    return f"${tex}$" if tex else ""


def _lines(said: str, thing: griffe.Object) -> list[Line]:
    """The lines that define something by what is known on the way back."""
    derivation = DERIVATION.search(said)
    text = derivation[1] if derivation else ""
    family = {name for name, member in thing.module.members.items() if _is_public_value(member)}
    of: str | None = None
    lines: list[Line] = []
    owners: list[str | None] = []
    known = set(BROUGHT)
    end = 0
    for block in BLOCK.finditer(text):
        before, end = text[end : block.start()], block.end()
        named = [name for name in re.findall(r"`(\w+)`", before) if name in family]
        of = named[-1] if named and len(family) > 1 else of
        for written in (cell for row in block[0].splitlines() for cell in _cells(row)):
            cell = re.sub(r"\bf'\(x\)", f"{thing.name}'(x)", written)  # each f of a family
            defined = DEFINITION.fullmatch(cell)
            if defined and {*DIFFERENTIAL.findall(defined["right"])} <= known and defined["left"] != "dL":
                lines.append(Line(block.start(), defined["left"], defined["right"], cell))
                owners.append(of)
                known.add(defined["left"])
    mine = [line for line, owner in zip(lines, owners, strict=True) if owner == thing.name]
    shared = [line for line, owner in zip(lines, owners, strict=True) if owner is None]
    others = {f"{name}'" for name in family - {thing.name}}
    chosen = mine if any(line.is_derivative for line in mine) else shared
    return [line for line in chosen if line.left not in others]


def _is_public_value(member: Any) -> bool:
    return not (member.is_alias or member.name.startswith("_") or member.is_class or member.is_module)


def _last(lines: list[Line]) -> list[Line]:
    """Those that no later block replaces."""
    return [line for line in lines if not any(later.block > line.block and later.replaces(line) for later in lines)]


def _used(lines: list[Line]) -> list[Line]:
    """The derivatives, and what they use."""
    kept = [line for line in lines if line.is_derivative]
    while True:
        more = [line for line in lines if line not in kept and any(user.uses(line) for user in kept)]
        if not more:
            return [line for line in lines if line in kept]
        kept += more


def _final(line: Line) -> str:
    """A line as it is, but of the steps to a slope the last alone."""
    if "'" not in line.left:
        return line.text
    head, _, steps = line.text.partition(" = ")
    return f"{head} = {steps.rpartition(' = ')[2]}"
