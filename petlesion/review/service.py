# SPDX-License-Identifier: Apache-2.0
"""A review from its start to its end: read the case, listen, answer until the process is told to end."""

from __future__ import annotations

import logging
import secrets
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.entry import open_store, speak_plainly
from petlesion.inference.allocator import take_workspaces
from petlesion.limits import Terminated
from petlesion.outcome import DONE, INTERNAL, INTERRUPTED, sentence_of, status_of
from petlesion.review.engine import Engine
from petlesion.review.guard import Guard
from petlesion.review.listening import HOST, listening
from petlesion.review.room import Room
from petlesion.review.web import application
from petlesion.termination import ctrl_c_counts, sigterm_raises

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
    try:
        with sigterm_raises(), ctrl_c_counts() as check_ctrl_c:
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
        if status_of(error) == INTERNAL:
            traceback.print_exception(error)
        LOG.error("petlesion: %s", sentence_of(error))  # noqa: TRY400 - the trace, where there is one, stands before
        return status_of(error)
    return DONE
