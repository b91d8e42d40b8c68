"""`python -m evaluators.sandbox`: which back-ends work here, and why the others do not."""

from __future__ import annotations

import sys

from evaluators.sandbox.backends import STRONG
from evaluators.sandbox.probe import probe


def main() -> int:
    """Print the table; 0 if anything isolates."""
    found = probe()
    for name, result in found.items():
        print(f"{name:9} {'works' if result.works else 'no   '}  {result.why}")
    return 0 if any(found[name].works for name in STRONG) else 1


if __name__ == "__main__":
    sys.exit(main())
