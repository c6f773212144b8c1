"""Put the licences of what the theme and its makers bring into the site, beside those of KaTeX and Mermaid."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PACKAGES = {"material": "mkdocs-material", "mkdocs": "mkdocs", "mkdocstrings": "mkdocstrings-python"}
ICONS = "material/templates/.icons/material/LICENSE"
"""That of the only set of icons that the pages hold."""


def texts() -> dict[str, Path]:
    """The files with the licences, by their names in the site."""
    found = {f"{name}.txt": _licence(package) for name, package in PACKAGES.items()}
    return found | {"material-design-icons.txt": Path(str(distribution("mkdocs-material").locate_file(ICONS)))}


def on_files(files: Any, config: Any) -> Any:
    """Add them to the files of the site."""
    for name, path in texts().items():
        files.append(File.generated(config, f"assets/licences/{name}", abs_src_path=str(path)))
    return files


def _licence(package: str) -> Path:
    """The file of an installed package that holds its licence."""
    (file,) = (file for file in distribution(package).files or () if file.match("*.dist-info/licenses/LICENSE*"))
    return Path(str(file.locate()))
