"""``python -m consent`` is the command ``consent``."""

import sys

from consent.cli.main import main

sys.exit(main())
