"""A process that has imported the command line, and forks a process of its own for every command that is asked for.

The first second of each command is the import that all of them begin with; here it is taken once. What follows it, in
the child, is what the installed script does: ``sys.exit(main())`` with these arguments, environment and folder.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LARGEST = 2**20
"""Bytes of an order: arguments and environment."""


class Forking:
    """The asking side; commands may be asked for by several threads at once."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptor = theirs.fileno()
            command = [sys.executable, "-P", __file__, str(descriptor)]
            self._process = subprocess.Popen(command, pass_fds=[descriptor], stdin=subprocess.DEVNULL)

    def run(
        self, words: Sequence[str], cwd: Path, environment: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; raises ``subprocess.TimeoutExpired`` like a process that is started in the usual way."""
        arguments = [str(self._script), *words]
        order = json.dumps({"arguments": arguments, "cwd": str(cwd), "environment": environment}).encode()
        ended, their_end = os.pipe()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, os.fdopen(ended, "rb") as code:
            socket.send_fds(self._orders, [order], [out.fileno(), err.fileno(), their_end])
            os.close(their_end)
            if not select.select([code], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(arguments, timeout)
            status = os.waitstatus_to_exitcode(int(code.read()))
            texts = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode() for file in (out, err)]
        return subprocess.CompletedProcess(arguments, status, *texts)

    def close(self) -> None:
        """End it; a command that still runs ends by itself."""
        self._orders.close()
        self._process.wait()


def serve(orders: socket.socket) -> None:
    """Fork for every order until nobody can give one; returns in the children alone, and then ends them."""
    from gateway.cli import main

    gc.freeze()  # no child need look through what all of them share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who keep a command
    while True:
        text, descriptors, _, _ = socket.recv_fds(orders, LARGEST, 3)
        if not text:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            out, err, ended = descriptors
            child = os.fork()
            if child == 0:
                os.close(ended)
                _become(json.loads(text), out, err)
                sys.exit(main())
            os.write(ended, str(os.waitpid(child, 0)[1]).encode())
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _become(order: dict[str, object], out: int, err: int) -> None:
    arguments, environment = order["arguments"], order["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    for source, target in ((out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    os.chdir(str(order["cwd"]))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
