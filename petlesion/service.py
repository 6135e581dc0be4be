# SPDX-License-Identifier: Apache-2.0
"""The container as a server: the networks stay, cases come as calls, one at a time.

Each call walks the way of `entry.answer`, the same as a process of its own, but for the store, which is open already.
Its time limit counts from its arrival.
"""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from petlesion.calls import Calls
from petlesion.entry import answer, end_with, needed_roles, open_store, speak_plainly
from petlesion.inference.networks import load_network
from petlesion.inference.residents import ResidentStore
from petlesion.inference.tracer import load_tracer_networks
from petlesion.limits import Terminated
from petlesion.outcome import DONE, INTERRUPTED, TERMINATED, sentence_of
from petlesion.pipeline import choose_device
from petlesion.server import listening
from petlesion.termination import Termination, sigterm_raises

if TYPE_CHECKING:
    from petlesion.desk import Desk
    from petlesion.inference.weights import ModelStore
    from petlesion.options import RunOptions

LOG = logging.getLogger("petlesion")


def serve(options: RunOptions, desk: Desk, host: str, port: int) -> int:
    """Answer calls until SIGTERM comes; the exit status, with one last plain sentence on stderr.

    The server answers from the first moment on, /health with 503 until the networks are loaded.

    Args:
        options: Those of every case; the start of their clock is each call's arrival.
        desk: Where each case lies when its call comes, and where its mask goes.
        host: Address to listen on; 0.0.0.0 for all of the machine's.
        port: Port to listen on.
    """
    speak_plainly()
    calls = Calls()
    termination = Termination()
    try:
        with sigterm_raises() as termination, listening(calls, host, port) as there:
            LOG.info("listening on %s, port %d", host, there)
            store = resident_store(options)
            calls.open()
            LOG.info("ready")
            return attend(calls, options, desk, store)
    except KeyboardInterrupt:
        LOG.info("petlesion: ended from the keyboard")
        return INTERRUPTED
    except (Exception, Terminated) as error:  # noqa: BLE001 - as in `entry.answer`, every error ends in a status
        return end_with(error, termination)


def attend(calls: Calls, options: RunOptions, desk: Desk, store: ModelStore | None) -> int:
    """Answer one call after the other until `calls` is closed or SIGTERM ended a case; the exit status."""
    while (call := calls.take()) is not None:
        limits = replace(options.limits, started_s=call.arrived_s)
        ending = answer(replace(options, limits=limits), desk, store)
        calls.end(call, ending)
        if ending.status == TERMINATED:
            return TERMINATED
        Termination.current().check()  # it may have come when the case could not be stopped any more
        gc.collect()  # the frames of a refused case may hold its images in a circle
    return DONE


def resident_store(options: RunOptions) -> ModelStore | None:
    """The store with every network loaded that a case can need.

    None where that fails and errors are to be answered with a mask: each case then meets the same error by itself.

    Raises:
        WeightsError: Names model and file.
        PlansError: Where plans ask for what is not supported.
    """
    begun = time.monotonic()
    try:
        store = ResidentStore.of(open_store(options))
        _load(store, options)
    except Exception as error:
        if options.on_error != "mask":
            raise
        LOG.warning("warning: the networks cannot be loaded: %s", sentence_of(error))
        return None
    LOG.info("%d networks loaded in %.1f s", len(store.held), time.monotonic() - begun)
    return store


def _load(store: ModelStore, options: RunOptions) -> None:
    """Build every network that a case can need, on the device."""
    device = choose_device(options.limits.device)
    for role in needed_roles(options.recipe, options.limits):
        entry = store.entry(options.recipe.name, role)
        if entry.architecture == "mip_cnn":
            load_tracer_networks(store, entry, device)
            continue
        for fold in options.limits.folds or entry.fold_numbers:
            store.network(entry, fold, device, load_network)
