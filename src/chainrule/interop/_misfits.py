"""The differences between what is there and what is wanted, by name: all of them, in one message."""

from collections.abc import Callable, Mapping
from operator import eq

MOST = 8
"""The most names that are listed of each kind of difference."""

LONGEST = 160
"""The most characters of a name, or of other text of a file, that are shown."""


def check_fit(
    what: str, found: Mapping[str, str], wanted: Mapping[str, str], same: Callable[[str, str], bool] = eq
) -> None:
    """Check that the same names are found and wanted, each of one form, such as `f32[3, 2]`; else it is a ValueError.

    `what` begins the message: `"load: a.safetensors does not fit like"`.
    """
    missing = [f"{_named(name)} {form}" for name, form in wanted.items() if name not in found]
    unexpected = [f"{_named(name)} {form}" for name, form in found.items() if name not in wanted]
    different = [
        f"{_named(name)} is {found[name]}, expected {form}"
        for name, form in wanted.items()
        if name in found and not same(found[name], form)
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "different": different}
    listed = [f"{kind}: {_list(each)}" for kind, each in kinds.items() if each]
    if listed:
        raise ValueError(f"{what}: {'; '.join(listed)}")


def shown(text: str) -> str:
    """Text of a file for a message: it may be of any length, and of any characters."""
    printable = text if text.isprintable() else ascii(text)[1:-1]
    return printable if len(printable) <= LONGEST else f"{printable[:LONGEST]}..."


def _named(name: str) -> str:
    return shown(name) or "the only array"


def _list(entries: list[str]) -> str:
    rest = len(entries) - MOST
    return ", ".join(entries[:MOST]) + (f" and {rest} more" if rest > 0 else "")
