# SPDX-License-Identifier: Apache-2.0
"""process.py in a process that may neither unpickle, nor open a socket, nor start a program: guarded.py [ARGUMENTS]

Python's audit hooks see every such act of Python code and cannot be taken off again; a filter of system calls
(seccomp, on Linux) ends the process at the first socket that any code asks for, C and C++ included. What was done
against the rule is written to the last line of stderr, and the exit status is 99.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import platform
import runpy
import struct
import sys
from pathlib import Path

BROKEN = 99
FORBIDDEN = ("pickle.find_class", "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork",
             "marshal.loads")  # fmt: skip
IMPORT_SYSTEM = "<frozen importlib"  # reads code from __pycache__ with marshal, as every import does
SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def refuse(event: str, _arguments: tuple) -> None:
    if not event.startswith(FORBIDDEN):
        return
    caller = sys._getframe(1).f_code.co_filename
    if event == "marshal.loads" and caller.startswith(IMPORT_SYSTEM):
        return
    os.write(2, f"guarded: {event} by {caller}\n".encode())
    os._exit(BROKEN)


def refuse_pickle(*_arguments: object, **_options: object) -> None:
    os.write(2, b"guarded: something was to be unpickled\n")
    os._exit(BROKEN)


def end_at_the_first_socket() -> bool:
    """Whether the system took the filter: it kills this process (SIGSYS) when any code asks for a socket."""
    if sys.platform != "linux" or platform.machine() not in SOCKET_CALL:
        return False
    arch, socket_call = SOCKET_CALL[platform.machine()]
    instructions = [  # (code, jump if true, jump if false, constant) of classic BPF, over struct seccomp_data
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 0, 2, arch),  # another one: allow
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 1, 0, socket_call),
        (0x06, 0, 0, 0x7FFF0000),  # allow
        (0x06, 0, 0, 0x80000000),  # kill the process
    ]
    program = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    held = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    return (
        libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
        and libc.prctl(seccomp, filter_mode, ctypes.c_void_p(ctypes.addressof(head)), 0, 0) == 0
    )


def main() -> None:
    filtered = end_at_the_first_socket()
    os.write(2, f"guarded: filter of system calls {'on' if filtered else 'not to be had here'}\n".encode())
    for name in ("Unpickler", "_Unpickler"):  # classes, since torch's own derive from them
        setattr(pickle, name, type(name, (getattr(pickle, name),), {"__init__": refuse_pickle}))
    pickle.load = pickle.loads = refuse_pickle
    sys.addaudithook(refuse)
    process = Path(__file__).resolve().parents[1] / "process.py"
    sys.path.insert(0, str(process.parent))
    sys.argv[0] = str(process)
    runpy.run_path(str(process), run_name="__main__")


if __name__ == "__main__":
    main()
