# SPDX-License-Identifier: Apache-2.0
"""Runs of process.py in processes of their own that do not pay for the imports: one process imports, then forks.

    python -m test.faults.forks

reads one run a line as JSON from stdin (`argv`, `out`, `err`, `limits`) and writes its exit status. A child executes
process.py itself, as the main module, with its own streams and limits.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import ModuleType

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
        """Exit status and stderr of one run, under limits; nothing may come on stdout.

        A limit is one of setrlimit's, such as FSIZE; DATA is counted from what the imports have taken. FREE_FILES is a
        number of files that can still be opened, whatever is open already. OPENED is the same, but counts those that
        Python opens, also where they are closed again: from then on none can be opened.
        """
        out, err = folder / "out.txt", folder / "err.txt"
        order = {"argv": arguments, "out": str(out), "err": str(err), "limits": limits}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        assert out.read_bytes() == b""
        return status, err.read_bytes()


def act(order: dict) -> None:
    """The child: take the streams and limits of the order, then be process.py."""
    program = ROOT / "process.py"
    code = compile(program.read_text(encoding="utf-8"), str(program), "exec")
    for number, name in ((1, "out"), (2, "err")):
        taken = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(taken, number)
        os.close(taken)
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__ = str(program)
    sys.argv = ["process.py", *order["argv"]]
    for name, value in order["limits"].items():
        limit(name, value)
    exec(code, main.__dict__)  # noqa: S102 - the repository's own program


def limit(name: str, value: int) -> None:
    """Set one limit of `Forks.run`."""
    if name == "OPENED":
        opened = count()
        sys.addaudithook(lambda event, _: limit_files(0) if event == "open" and next(opened) == value else None)
    elif name == "FREE_FILES":
        limit_files(value)
    else:
        bound = value + taken_bytes() if name == "DATA" else value
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))


def limit_files(free: int) -> None:
    """Let so many more files be open at a time, whatever is open."""
    bound = next(bound for bound in count() if sum(not is_open(number) for number in range(bound)) == free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (bound, bound))


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


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
