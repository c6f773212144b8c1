"""A page of prose with generated parts, each between two comments: only these are written.

<!-- begin: steps -->
...
<!-- end: steps -->
"""

import re
from collections.abc import Mapping

PART = re.compile(r"(<!-- begin: ([\w-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with every part in its place.

    Raises
    ------
    ValueError
        If the page has no place for a part, or a place that no part is for.
    """
    places = [match[2] for match in PART.finditer(page)]
    if sorted(places) != sorted(parts):
        raise ValueError(f"the page has places for {sorted(places)}, and the parts are {sorted(parts)}")
    return PART.sub(lambda match: f"{match[1]}\n{parts[match[2]].strip()}\n\n{match[3]}", page)
