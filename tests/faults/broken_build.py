"""The gateway, or another program of these tests, as the broken build that the environment names."""

from __future__ import annotations

import os
import runpy

from gateway.cli import main
from tests.faults.broken import ENVIRONMENT, RUNS, builds

builds()[os.environ[ENVIRONMENT]].apply()
if RUNS in os.environ:
    runpy.run_path(os.environ[RUNS])
else:
    main()
