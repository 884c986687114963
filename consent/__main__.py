"""``python -m consent`` is the command ``consent``."""

import sys

from consent.cli import main

sys.exit(main())
