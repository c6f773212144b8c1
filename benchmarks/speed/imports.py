"""How long `import numpy` takes, and `import chainrule` after it, in this fresh process.

python -m speed.imports
"""

import json
import time
from importlib import import_module

if __name__ == "__main__":
    marks = [time.perf_counter()]
    for name in ("numpy", "chainrule"):
        import_module(name)
        marks.append(time.perf_counter())
    print(json.dumps({"numpy": marks[1] - marks[0], "chainrule": marks[2] - marks[1]}))
