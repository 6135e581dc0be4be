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


def end_at_once(_number: int, _frame: object) -> None:
    """Answer SIGTERM while there is nothing to finish: during the imports, and once the case is done.

    Without a handler the first process of a container would ignore the signal.
    """
    with suppress(OSError):  # stderr may be closed
        os.write(2, b"petlesion: terminated on the platform's request\n")
    os._exit(143)  # nothing has been begun that would have to be undone


def fill_closed_streams() -> None:
    """Open the null device for standard streams that are closed, lest a file of ours be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_at_once)
    fill_closed_streams()

from petlesion.entry import main  # noqa: E402

if __name__ == "__main__":
    # An image built for a challenge in which one failed case fails the submission sets PETLESION_ON_ERROR=mask.
    on_error = os.environ.get("PETLESION_ON_ERROR", "fail")
    # One that is labelled to be run by calls, for the platform, sets PETLESION_API_METHOD=invoke.
    api_method = os.environ.get("PETLESION_API_METHOD", "exec")
    status = main(started_s=STARTED_S, on_error=on_error, api_method=api_method)
    if status == 143:
        os._exit(status)  # SIGTERM leaves 5 s, and taking the interpreter down can cost one of them
    sys.exit(status)
