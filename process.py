# SPDX-License-Identifier: Apache-2.0
"""Container entry: read the case in /input, segment its lesions, write the mask to /output; once, or at each call.

`python process.py --help` lists the options and exit statuses; petlesion/entry.py does the work.
"""

import time

STARTED_S = time.monotonic()  # the time limit counts from here, before the imports are paid

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402

TERMINATED = 143


def end_at_once(_number: int, _frame: object) -> None:
    """Answer SIGTERM while there is nothing to finish: during the imports, and once the case is done.

    Without a handler the first process of a container would ignore the signal.
    """
    with suppress(OSError):  # stderr may be closed
        os.write(2, b"petlesion: terminated on the platform's request\n")
    os._exit(TERMINATED)  # nothing has been begun that would have to be undone


def fill_closed_streams() -> None:
    """Open the null device for standard streams that are closed, lest a file of ours be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def stand_somewhere() -> None:
    """Leave a working folder that has been removed: torch's libraries cannot be loaded from there."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is an import that the clock need not pay for yet
    except OSError:
        os.chdir("/")


def settle_streams() -> None:
    """See that output which nobody takes any more, or for which there is no room, leaves the exit status as it is."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_at_once)
    fill_closed_streams()
    stand_somewhere()

from petlesion.entry import main  # noqa: E402

if __name__ == "__main__":
    # An image built for a challenge in which one failed case fails the submission sets PETLESION_ON_ERROR=mask.
    on_error = os.environ.get("PETLESION_ON_ERROR", "fail")
    # One that is labelled to be run by calls, for the platform, sets PETLESION_API_METHOD=invoke.
    api_method = os.environ.get("PETLESION_API_METHOD", "exec")
    try:
        status = main(started_s=STARTED_S, on_error=on_error, api_method=api_method)
    finally:
        settle_streams()
    if status == TERMINATED:
        os._exit(status)  # SIGTERM leaves 5 s, and taking the interpreter down can cost one of them
    sys.exit(status)
