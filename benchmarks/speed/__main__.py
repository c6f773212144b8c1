"""`make bench`."""

import sys

from speed.main import main

sys.exit(main())
