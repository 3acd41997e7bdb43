"""``python -m experiments.cli``: the console script ``rest`` where it is not installed."""

from __future__ import annotations

from experiments.cli.console import main

if __name__ == "__main__":
    main()
