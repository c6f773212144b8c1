"""Run the Python of a Markdown file, block by block in one namespace: `python -I release/readme.py README.md`.

It needs the standard library alone, so that it runs where a distribution has been installed, and nothing else has.
"""

import doctest
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main(path: Path) -> None:
    """Run every block, and stop with an error at the first that does not do what it shows."""
    text = path.read_text("utf-8")
    names: dict[str, object] = {"__name__": "__main__"}
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        if ">>> " in block[1]:
            test = doctest.DocTestParser().get_doctest(block[1], names, path.name, str(path), line)
            failed, _ = doctest.DocTestRunner().run(test, clear_globs=False)
            names.update(test.globs)
            if failed:
                raise SystemExit(1)
        else:
            exec(compile("\n" * line + block[1], path, "exec"), names)  # noqa: S102  # our own README
    if not blocks:
        raise SystemExit(f"{path.name} has no Python to run")
    print(f"{len(blocks)} blocks of {path.name} do what they show")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
