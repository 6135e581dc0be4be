# SPDX-License-Identifier: Apache-2.0
"""Runs of process.py in processes of their own that do not pay for the imports: one process imports, then forks.

    python -m test.faults.forks

reads one run a line as JSON from stdin (`argv`, `out`, `err`, `limits`, `signal_at`) and writes its exit status. A
child executes process.py itself, as the main module, with its own streams, limits and signals.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA_MARGIN = 16 << 20


@dataclass(frozen=True)
class Forks:
    """The process that forks."""

    process: subprocess.Popen

    @classmethod
    @contextmanager
    def open(cls):
        command = [sys.executable, "-m", "test.faults.forks"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a forked child has no threads but its own
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment, text=True) as process:
            yield cls(process)
            process.stdin.close()

    def run(self, arguments: list[str], folder: Path, **limits: int) -> tuple[int, bytes]:
        """Exit status and stderr of one run, under limits such as FSIZE; nothing may come on stdout."""
        out, err = folder / "out.txt", folder / "err.txt"
        order = {"argv": arguments, "out": str(out), "err": str(err), "limits": limits}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        assert out.read_bytes() == b""
        return status, err.read_bytes()


def act(order: dict) -> None:
    """The child: take the streams and limits of the order, then be process.py."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    for name, value in order["limits"].items():
        bound = value + taken_bytes() if name == "DATA" else value
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))
    sys.argv = ["process.py", *order["argv"]]
    runpy.run_path(str(ROOT / "process.py"), run_name="__main__")


def taken_bytes() -> int:
    """What the imports took of RLIMIT_DATA."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))


def serve() -> None:
    """Fork once for each line."""
    import process  # noqa: F401, PLC0415 - pays for the imports

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            act(json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
