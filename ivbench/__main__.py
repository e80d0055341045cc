"""The command `ivbench`, and `python -m ivbench`."""

from __future__ import annotations

import sys

__all__ = ["run"]


def run() -> int:
    """Run the command line and return its exit code; an interruption while its modules load is one line too."""
    try:
        from ivbench.cli.main import main
    except KeyboardInterrupt:
        print("Interrupted before anything began.", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(run())
