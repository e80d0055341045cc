"""`python -m ivbench` is the command `ivbench`."""

from __future__ import annotations

import sys

from ivbench.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
