"""One site in two languages: English at its root, Chinese under zh/, the same pages under the same names.

The Chinese site has the pages that lie in docs-zh/, in the order of the English navigation, and the reference that
docs/chinese.py makes; a new file there is a new page. Its links may go to any English page, by the name that the page
would have in Chinese (`../errors.md`), and to any object of the reference (`[chainrule.layer.Layer]`): what has no
Chinese page leads to the English one. On every page the switch leads to the same page of the other language, or to its
front page. A page of the Chinese site lists those that are in English alone, as long as there are any.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import groupby
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocstrings import Inventory

ROOT = Path(__file__).parents[1]
FOLDERS = {"en": ROOT / "docs", "zh": ROOT / "docs-zh"}
NAMES = {"en": "English", "zh": "中文"}
SECTIONS = {
    "About": "关于",
    "Check": "检验",
    "Evidence": "证据",
    "Explanation": "原理",
    "How-to": "操作指南",
    "Other arrays and devices": "其他数组库与设备",
    "Overview": "概览",
    "Pictures and sequences": "图像与序列",
    "Reference": "参考",
    "Ship": "部署",
    "Train": "训练",
    "Tutorial": "教程",
    "Write your own": "自己写",
}
HAN = re.compile(r"([\u3400-\u9fff])")
REFERENCE = re.compile(r"\[((?:[^\[\]`]|`[^`]*`)+)\]\[(chainrule(?:\.\w+)*)\]")
LINK = re.compile(r"\]\((?!\w+:|#)([^()#\s]+\.md)(#[^()\s]+)?\)")
ELSEWHERE = "english:"
TITLE = re.compile(r"<title>(?:(.*?) - )?[^<]*</title>")
MADE = tuple(f"reference/{name}.md" for name in ("index", "glance", "sheet", "coverage"))
"""Pages that both languages have, made while the site is built."""
UNTRANSLATED = "untranslated.md"
HEADING = "只有英文的页面"


def on_config(config: Any) -> None:
    """Take the English navigation for Chinese, as far as there are pages."""
    if language(config) == "zh":
        config.extra["untranslated"] = [*untranslated(config.nav)]
        config.nav = [entry for entry in map(_in_chinese, config.nav) if entry]
        config.nav += [UNTRANSLATED] if config.extra["untranslated"] else []


def on_files(files: Any, config: Any) -> None:
    """Share the style sheet, the scripts and the plots, and list what is in English alone."""
    if language(config) == "zh":
        if pages := config.extra["untranslated"]:
            files.append(File.generated(config, UNTRANSLATED, content=_list(pages)))
        for name in ("style.css", "copy.js", "scroll.js", "search.js", "speed/steps.svg", "speed/waterfall.svg"):
            files.append(File.generated(config, name, abs_src_path=str(FOLDERS["en"] / name)))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Mark the links of a Chinese page that lead to the English site."""
    if language(config) == "en":
        return markdown
    markdown = LINK.sub(lambda m: _page_link(m, page.file.src_uri), markdown)
    return REFERENCE.sub(lambda m: f"[{m[1]}]({ELSEWHERE}{_object(m[2], page.file.src_uri)})", markdown)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Make addresses of the marks, now that mkdocs has looked at all the others."""
    up = "../" * (page.url.count("/") + 1)
    return html.replace(f'"{ELSEWHERE}', f'"{up}')


def on_page_context(context: Any, page: Any, config: Any, nav: Any) -> None:
    """Set the switch: to the same page, if the other language has it."""
    config.extra["alternate"] = [
        {"name": name, "lang": code, "link": _across(language(config), code, page)} for code, name in NAMES.items()
    ]


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Lead the switch out of the Chinese site, and drop the links in the head by which the theme looks for pages.

    The theme takes every address for one below its own site.
    """
    if language(config) == "zh":
        address = page.url.removeprefix("./")
        english = "../" * (address.count("/") + 1) + (address if _is_there("en", page.file.src_uri) else "")
        output = re.sub(r'(<a href=")[^"]*(" hreflang="en")', rf"\g<1>{english}\g<2>", output)
    return re.sub(r'\s*<link rel="alternate"[^>]*>', "", output)


def on_post_build(config: Any) -> None:
    """Part Chinese words into characters in the search index, as the search does with what is typed."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    if language(config) == "zh":
        found = json.loads(index.read_text("utf-8"))
        for entry in found["docs"]:
            entry.update({key: HAN.sub("\u200b\\1\u200b", entry[key]) for key in ("title", "text")})
        index.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")), "utf-8")


def language(config: Any) -> str:
    """`en` or `zh`."""
    return str(config.theme["language"])


def untranslated(nav: list[Any], section: str = "") -> Iterator[tuple[str, str]]:
    """The pages that are in English alone, with their sections, in the order of the English navigation.

    A section has its groups within it. Those of the reference are left out: their pages are their source.
    """
    for entry in nav:
        ((title, below),) = [("", entry)] if isinstance(entry, str) else entry.items()
        if isinstance(below, str):
            if not _is_there("zh", below):
                yield section, below
        elif section != "Reference":
            yield from untranslated(below, section or title)


def _list(pages: list[tuple[str, str]]) -> str:
    """The page that lists them: those of no section come last in the navigation, and first here."""
    parts = [f"# {HEADING}", "以下页面还没有中文译文。链接通向英文页面。"]
    for section, of_section in groupby(sorted(pages, key=lambda found: bool(found[0])), lambda found: found[0]):
        links = [f"- [{_title(page)}]({page})" for _, page in of_section]
        parts += [*([f"## {SECTIONS[section]}"] if section else []), "\n".join(links)]
    return "\n\n".join(parts) + "\n"


def _title(page: str) -> str:
    """The title of an English page."""
    found = TITLE.search(_built(page).read_text("utf-8"))
    return unescape(found[1] or "") if found else page


def _built(page: str) -> Path:
    """The file of an English page in the site, which is built before the Chinese one."""
    return ROOT / "site" / _address(page) / "index.html"


def _address(page: str) -> str:
    return page.removesuffix("index.md") if page.endswith("index.md") else page.removesuffix(".md") + "/"


def _in_chinese(entry: Any) -> Any:
    if isinstance(entry, str):
        return entry if _is_there("zh", entry) else None
    ((title, below),) = entry.items()
    if isinstance(below, str):
        page = _in_chinese(below)  # a Chinese page has its title from its first line, but for the front page
        return {SECTIONS[title]: page} if page and title in SECTIONS else page
    children = [child for child in map(_in_chinese, below) if child]
    return {SECTIONS[title]: children} if children else None


def _across(own: str, other: str, page: Any) -> str:
    step = "zh/" if own != other == "zh" else ""
    return f"{step}{page.url if own == other or _is_there(other, page.file.src_uri) else ''}" or "./"


def _is_there(code: str, page: str) -> bool:
    """Tell if a language has a page: of the English ones, some have no file but in the site."""
    return _built(page).is_file() if code == "en" else page in MADE or (FOLDERS["zh"] / page).is_file()


def _page_link(match: re.Match[str], source: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
    if _is_there("zh", target) or not _is_there("en", target):
        return match[0]  # a page of this language, or of none: mkdocs will say so
    return f"]({ELSEWHERE}{_address(target)}{match[2] or ''})"


def _object(identifier: str, source: str) -> str:
    if identifier not in _addresses():
        raise PluginError(f"{source}: the reference has no {identifier}")
    return _addresses()[identifier]


@cache
def _addresses() -> dict[str, str]:
    """The address of every object of the reference."""
    with (ROOT / "site" / "objects.inv").open("rb") as file:  # which the English site, built before, has left
        inventory: Any = Inventory.parse_sphinx(file)
    return {name: str(item.uri) for name, item in inventory.items()}
