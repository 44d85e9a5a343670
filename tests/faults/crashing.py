"""A build whose adapter ends the process with the message in hand, as a fault in a library of C can."""

from __future__ import annotations

import os
import signal

from gateway.cli import main
from gateway.flow.handoff import Arrived
from gateway.flow.normalize import Normalizer
from gateway.flow.rejection import Rejection
from gateway.model.patch import Normalized

DEADLY = b"DEADLY"
_read = Normalizer._normalize


def _read_or_end(self: Normalizer, tenant: str, message: Arrived) -> Normalized | Rejection:
    if DEADLY in message.body:
        os.kill(os.getpid(), signal.SIGKILL)
    return _read(self, tenant, message)


Normalizer._normalize = _read_or_end  # type: ignore[method-assign]  # breaking it is this file's purpose
if __name__ in ("__main__", "<run_path>"):
    main()
