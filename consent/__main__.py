"""Run the ``consent`` command with ``python -m consent``."""

import sys

from consent.cli.main import main

sys.exit(main())
