"""`python -m speed` is what `make bench` runs."""

from speed.main import main

if __name__ == "__main__":
    main()
