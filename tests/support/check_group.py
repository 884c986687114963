"""Skip tests that need a program of the dependency group ``check``, which ``.ci/run`` installs."""

from types import ModuleType
from typing import cast

import pytest

MISSING = "NOT RUN: needs {} of the group check: uv run --group check pytest"


def need(module: str) -> ModuleType:
    """Return an imported module; skip this test, or this file of tests, if it is not installed."""
    return cast("ModuleType", pytest.importorskip(module, reason=MISSING.format(module.partition(".")[0])))
