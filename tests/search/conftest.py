"""Puts this folder on the path, so that tests and the scripts they start share `toy_lab`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
