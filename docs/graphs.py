"""Draw Mermaid's graphs: pages that hold one load Mermaid, from the site itself.

The theme draws what it finds in `<pre class="mermaid">`, and would fetch Mermaid from elsewhere if it were not there.
"""

from typing import Any

from assets import path
from mkdocs.structure.files import File

SCRIPT = '<script src="{base}assets/mermaid/mermaid.min.js"></script>'


def on_files(files: Any, config: Any) -> Any:
    """Put Mermaid among the files of the site."""
    folder = path("mermaid")
    for name, source in (("LICENSE", "LICENSE"), ("mermaid.min.js", "dist/mermaid.min.js")):
        files.append(File.generated(config, f"assets/mermaid/{name}", abs_src_path=str(folder / source)))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Load Mermaid before the theme's script, where there is a graph."""
    if '<pre class="mermaid">' not in output:
        return output
    script = SCRIPT.format(base=page.url.count("/") * "../")
    return output.replace("</head>", f"{script}</head>", 1)
