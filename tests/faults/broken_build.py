"""The gateway as the broken build that the environment names."""

from __future__ import annotations

import os

from gateway.cli import main
from tests.faults.broken import ENVIRONMENT, builds

builds()[os.environ[ENVIRONMENT]].apply()
main()
