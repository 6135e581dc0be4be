# SPDX-License-Identifier: Apache-2.0
"""A review from its start to its end: read the case, listen, answer until the process is told to end."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.entry import end_with, open_store, speak_plainly
from petlesion.inference.allocator import take_workspaces
from petlesion.limits import Terminated
from petlesion.outcome import DONE, INTERRUPTED
from petlesion.review.engine import Engine
from petlesion.review.guard import Guard
from petlesion.review.listening import HOST, listening
from petlesion.review.room import Room
from petlesion.review.web import application
from petlesion.termination import Termination, ctrl_c_counts, sigterm_raises

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.options import RunOptions
    from petlesion.review.saving import Folder

LOG = logging.getLogger("petlesion")


@dataclass(frozen=True, slots=True)
class Door:
    """How the review is reached.

    Attributes:
        port: Port to listen on; 0: any that is free.
        announce: Is told the address, once it answers.
    """

    port: int
    announce: Callable[[str], None]


def review(options: RunOptions, folder: Folder, door: Door) -> int:
    """Review one case until SIGTERM or Ctrl-C comes; the exit status, with one last plain sentence on stderr.

    Args:
        options: Recipe, limits and reading; the time limit counts for each answer.
        folder: Where the case lies, and where the review is saved.
        door: Where the page is.
    """
    speak_plainly()
    termination = Termination()
    try:
        with sigterm_raises() as termination, ctrl_c_counts() as check_ctrl_c:
            take_workspaces()
            folder.check()
            store = open_store(options)
            admission = folder.source.read(folder.path.resolve().name or "review", options.reading)
            for warning in admission.warnings:
                LOG.warning("warning: %s", warning)
            room, token = Room(Engine.of(admission, options, store), folder), secrets.token_urlsafe(32)
            with listening(lambda port: Guard(application(room), token, port), door.port) as port:
                room.begin()
                door.announce(f"http://{HOST}:{port}/?token={token}")
                room.work(check_ctrl_c)
    except KeyboardInterrupt:
        LOG.info("petlesion: ended from the keyboard")
        return INTERRUPTED
    except (Exception, Terminated) as error:  # noqa: BLE001 - as in `entry.answer`, every error ends in a status
        return end_with(error, termination)
    return DONE
