"""One step, in this fresh process, and when it was done.

python -m speed.first_step NAME SIZE
"""

import json
import sys
import time

from speed.problem import Problem
from speed.roster import ENTRIES
from speed.size import Size

if __name__ == "__main__":
    ENTRIES[sys.argv[1]].make(Problem.draw(Size.read(sys.argv[2]))).steps(1)
    print(json.dumps({"done": time.monotonic()}))
