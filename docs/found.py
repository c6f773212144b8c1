"""Mark public names in the index of the search: who types one finds its place first, and docs/search.js does the rest.

The theme weighs tags of a page more than anything else. Here each place of a public name has the name as its tag, which
the style sheet hides.
"""

import json
from pathlib import Path
from typing import Any

from modules import package
from names import names

INDEX = "search/search_index.json"


def tagged(index: dict[str, Any], tags: dict[str, set[str]]) -> dict[str, Any]:
    """An index in which the places have their tags."""
    places = (place | _tag(place["location"].partition("#")[2], tags) for place in index["docs"])
    return {**index, "docs": list(places)}


def _tag(anchor: str, tags: dict[str, set[str]]) -> dict[str, list[str]]:
    return {"tags": sorted(tags[anchor])} if anchor in tags else {}


def on_post_build(config: Any) -> None:
    """Write the tags into the index: mkdocs calls this when the site is built."""
    file = Path(config.site_dir) / INDEX
    tags = {name.meaning.path: {name.short, name.short.rpartition(".")[2]} for name in names(package())}
    file.write_text(json.dumps(tagged(json.loads(file.read_text("utf-8")), tags), separators=(",", ":")), "utf-8")
