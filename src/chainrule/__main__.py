"""`python -m chainrule`: the demo. `python -m chainrule check MODULE:NAME`: the checker."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        from chainrule.checking.command import main
    else:
        from chainrule.demo.main import main
    raise SystemExit(main())
