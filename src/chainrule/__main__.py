"""`python -m chainrule`: the demo."""

from chainrule.demo.main import main

if __name__ == "__main__":
    raise SystemExit(main())
