# SPDX-License-Identifier: Apache-2.0
"""The container's entry: from the sockets to the sockets, and from every error to its exit status.

Exit status: 0 done, 2 usage, 3 bad input, 4 model, 5 out of time, memory or files with no mask, 6 output, 70 internal,
143 terminated. The last line on stderr is one plain sentence, with the trace of an internal error before it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from petlesion.desk import Desk, SocketDesk
from petlesion.fallback import threshold_mask
from petlesion.images import shown
from petlesion.inference.allocator import take_workspaces
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.networks import check_models
from petlesion.inference.plans import read_plans
from petlesion.inference.tile_files import TileFiles
from petlesion.inference.weights import ModelEntry, ModelStore, WeightsError
from petlesion.limits import Limits, Terminated, check_open_files
from petlesion.options import RunOptions, add_run_options, add_server_options, add_socket_options, run_options
from petlesion.outcome import DONE, INTERNAL, OUTPUT, TERMINATED, Ending, sentence_of, status_of
from petlesion.pipeline import segment
from petlesion.progress import ProgressLine
from petlesion.report import fallback_report, report_of
from petlesion.termination import Termination, sigterm_raises
from petlesion.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petlesion.inference.workplace import Observer
    from petlesion.recipe import Member, Recipe, Stage

LOG = logging.getLogger("petlesion")


def main(
    argv: Sequence[str] | None = None, *, started_s: float, on_error: str = "fail", api_method: str = "exec"
) -> int:
    """Segment the case in the input folder, or serve calls for cases there; return the exit status.

    Args:
        argv: Arguments without the program's name; those of the process by default.
        started_s: `time.monotonic()` at the start of the process, from which the time limit counts.
        on_error: What --on-error is where it is not given; an image may be built to write the best mask there is.
        api_method: What --api-method is where it is not given; an image may be built and labelled to serve.
    """
    parser = argparse.ArgumentParser(
        prog="process.py", description=__doc__.split("\n", maxsplit=1)[0], epilog=__doc__.split("\n\n", 1)[1]
    )
    add_socket_options(parser)
    add_server_options(parser, "0.0.0.0", api_method)  # noqa: S104 - the platform calls from outside of the container
    add_run_options(parser, on_error)
    arguments = parser.parse_args(argv)
    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        parser.error(str(error))
    desk = SocketDesk(arguments.input, arguments.output, arguments.slug, arguments.page)
    if arguments.api_method == "invoke":
        from petlesion.service import serve  # noqa: PLC0415 - a case by itself pays for no server

        return serve(options, desk, arguments.host, arguments.port)
    return run(options, desk)


def run(options: RunOptions, desk: Desk) -> int:
    """Segment one case in a process of its own; the exit status."""
    speak_plainly()
    return answer(options, desk).status


def answer(
    options: RunOptions, desk: Desk, store: ModelStore | None = None, observer: Observer | None = None
) -> Ending:
    """Segment one case; every error becomes an ending, and one last plain sentence on stderr.

    Args:
        options: The run's choices.
        desk: Where the case lies, and where its mask goes.
        store: The weights as `open_store` gives them; by default they are opened here.
        observer: Called after each tile; by default a line of progress is shown.
    """
    termination = Termination()
    try:
        with sigterm_raises() as termination:
            check_open_files()
            take_workspaces()
            ending = _process(options, desk, store, observer or ProgressLine())
        return replace(ending, status=TERMINATED) if termination.came else ending
    except (Exception, Terminated) as raised:  # noqa: BLE001 - the one place where every error must end in a status
        error = termination.behind(raised)
        status, sentence = status_of(error), sentence_of(error)
        if status == INTERNAL:
            traceback.print_exception(error)
        if options.on_error == "mask" and status not in {OUTPUT, TERMINATED} and _write_fallback(options, desk, error):
            return Ending(DONE, f"a mask of last resort, because: {sentence}")
        LOG.error("petlesion: %s", sentence)  # noqa: TRY400 - the trace, where there is one, stands before
        return Ending(status, sentence)


def end_with(raised: BaseException, termination: Termination) -> int:
    """The exit status of a process that an error ends, and one last plain sentence on stderr.

    An internal error has its trace before the sentence. `termination` is the handler that was set while it was raised.
    """
    error = termination.behind(raised)
    if status_of(error) == INTERNAL:
        traceback.print_exception(error)
    LOG.error("petlesion: %s", sentence_of(error))
    return status_of(error)


def speak_plainly() -> None:
    """Log to stderr in lines that any platform takes: UTF-8 whatever the locale, no colours."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)


def open_store(options: RunOptions) -> ModelStore:
    """The weights of a run, checked.

    Raises:
        WeightsError: Names model and file.
        PlansError: Where plans ask for what is not supported.
    """
    store = ModelStore.open(options.weights)
    check_recipe(store, options.recipe, options.limits)
    return store


def _process(options: RunOptions, desk: Desk, store: ModelStore | None, observer: Observer) -> Ending:
    """The straight way: check, read, segment, write."""
    warnings = desk.check()
    store = store or open_store(options)
    admission = desk.read(options.reading)
    warnings += admission.warnings
    for warning in warnings:
        LOG.warning("warning: %s", warning)
    memory = None if options.cache is None else TileFiles.open(options.cache)
    result = segment(admission.case, store, options.limits, options.recipe, observer, memory=memory)
    for doubt in result.tracer.doubts if result.tracer else ():
        LOG.warning("warning: %s", doubt)
        warnings += (doubt,)
    report = report_of(result, case_name=admission.case.name, recipe_name=options.recipe.name, warnings=warnings)
    report |= {"dicom": admission.origin} if admission.origin else {}
    path = desk.write(result.mask, admission.case.name, report, admission.case)
    sentence = f"{counted(len(result.lesions), 'lesion')}, {report['tmtv_ml']:.1f} ml in all: {shown(path)}"
    LOG.info("%s", sentence)
    if memory is not None:
        counts = [stage.tiles for stage in result.stages if stage.tiles]
        LOG.info("tiles: %d computed, %d reused", sum(n.computed for n in counts), sum(n.reused for n in counts))
    if result.stopped:
        sentence = f"stopped early ({result.stopped}); the mask is that of the finished sweeps"
        LOG.warning("petlesion: %s", sentence)
    elif Termination.current().came:
        sentence = "terminated on the platform's request; the mask is complete"
        LOG.warning("petlesion: %s", sentence)
    return Ending(TERMINATED if result.stopped == "terminated" else DONE, sentence)


def check_recipe(store: ModelStore, recipe: Recipe, limits: Limits) -> None:
    """Refuse, before any work, a store that lacks a model of the recipe or holds one that reads other channels.

    Raises:
        WeightsError: Names model and file.
        PlansError: Where plans ask for what is not supported.
    """
    entries = {role: store.entry(recipe.name, role) for role in needed_roles(recipe, limits)}
    for stage in recipe.stages:
        for member in stage.serving(limits.tracer):
            check_member(store, entries[member.role], stage, member)
    check_models(store, tuple(entries.values()))


def check_member(store: ModelStore, entry: ModelEntry, stage: Stage, member: Member) -> None:
    """Refuse a model that is not what the recipe says: of other channels, without folds, or another kind of network.

    Raises:
        WeightsError: Names the model.
        PlansError: Where its plans ask for what is not supported.
    """
    if entry.channels != stage.channels:
        raise WeightsError(
            f"{entry.name} must read the channels {list(stage.channels)} in this order; its manifest says "
            f"{list(entry.channels)}: import the weights of this recipe"
        )
    if not entry.folds:
        raise WeightsError(f"{entry.name} must have at least one fold; its manifest lists none: import or train some")
    plans = read_plans(store, entry)
    found = plans.network.name if isinstance(plans, MonaiPlans) else "nnU-Net"
    wanted = member.network.name if member.network else "nnU-Net"
    if found != wanted:
        raise WeightsError(
            f"{entry.name} must be a network of {wanted}; it is of {found}: import this recipe's weights"
        )


def needed_roles(recipe: Recipe, limits: Limits) -> tuple[str, ...]:
    """The roles of the models that a run can need: the tracer's where it is to be called, and each it may route to."""
    voters = ("tracer",) if recipe.routes_by_tracer and limits.tracer is None else ()
    return tuple(dict.fromkeys((*voters, *(member.role for member in recipe.members(limits.tracer)))))


def _write_fallback(options: RunOptions, desk: Desk, error: BaseException) -> bool:
    """Write the mask of last resort; False where not even the PET can be read or nothing can be written."""
    try:
        found = desk.read_pet(options.reading)
        if found is None:
            return False
        name, pet, clicks, warnings = found
        mask = threshold_mask(pet, clicks)
        how = "PET threshold around the tumour clicks" if clicks.tumor_xyz else "empty mask"
        report = fallback_report(
            case_name=name,
            recipe_name=options.recipe.name,
            reason=sentence_of(error),
            how=how,
            warnings=warnings,
        )
        desk.write(mask, name, report)
    except Exception as second:  # noqa: BLE001 - whatever it is, the first error is the one to end by
        LOG.error("no fallback either: %s", sentence_of(second))  # noqa: TRY400 - a sentence, not a trace
        return False
    LOG.warning("fallback: %s, because: %s", how, sentence_of(error))
    return True
