# SPDX-License-Identifier: Apache-2.0
"""`petlesion batch`: a whole cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from petlesion.cohort.batch import Tally

from petlesion.limits import UsageError

SUMMARY = "segment every case of a cohort, on one machine or on many; a batch that was cut short goes on"
LAYOUTS = ("auto", "tree", "bids", "nnunet", "autopet", "dicom", "csv")  # those of `cohort.find`
THREADS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_run_options

    add = parser.add_argument
    add("source", type=Path, metavar="COHORT", help="folder of the cases, or a CSV with the columns case, ct, pet, "
        "clicks, dicom (paths relative to it)")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the results: CASE/mask.nii.gz and reports, "
        "cohort.csv, failures.csv, index.html")  # fmt: skip
    add("--layout", choices=LAYOUTS, default="auto", help="how the cases lie; docs/cohorts.md has the layouts "
        "(default: %(default)s, which looks)")  # fmt: skip
    add("--clicks", type=Path, metavar="DIR", help="folder of files of clicks, CASE.json, for layouts without any")
    add("--workers", type=int, metavar="N", help="processes on this machine (default: one for each GPU, else one)")
    add("--threads", type=int, default=THREADS, metavar="N", help="CPU threads of each worker; a mask's last voxels "
        "may depend on them, so they do not follow the machine (default: %(default)s)")  # fmt: skip
    add("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers run the cases, such as tcp://host:8786 "
        "(default: workers on this machine)")  # fmt: skip
    add("--retry", action="store_true", help="run cases again that failed for what their files hold")
    add("--json", action="store_true", help="print the cohort's figures as JSON")
    add_run_options(parser, of_many=True)


def run(arguments: argparse.Namespace, started_s: float) -> int:
    """Do it; the exit status: 0 where there is any mask, else that of the first failure."""
    import json

    from petlesion.cohort.batch import order_for, run_cohort
    from petlesion.cohort.find import find_cases
    from petlesion.cohort.workforce import workforce_for
    from petlesion.options import run_options

    _check(arguments)
    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    source, out = arguments.source.absolute(), arguments.out.absolute()
    found = find_cases(source, arguments.layout, out, arguments.clicks and arguments.clicks.absolute())
    order = order_for(options, source.parent if source.is_file() else source, out, arguments.threads)
    workforce = workforce_for(arguments.scheduler, arguments.workers, arguments.threads, options.limits.device)
    tally = run_cohort(found, order, workforce, retry=arguments.retry)
    print(json.dumps(tally.figures() | {"out": str(out)}, indent=2) if arguments.json else _sentence(tally, out))
    return tally.status


def _check(arguments: argparse.Namespace) -> None:
    if arguments.threads < 1 or (arguments.workers is not None and arguments.workers < 1):
        raise UsageError("there is at least one worker, of at least one thread; mend --workers or --threads")
    if arguments.scheduler is not None and arguments.workers is not None:
        raise UsageError("--scheduler has workers of its own; leave --workers out")
    if arguments.clicks is not None and not arguments.clicks.is_dir():
        raise UsageError(f"--clicks is a folder of CASE.json; {arguments.clicks} is none; mend its path")


def _sentence(tally: Tally, out: Path) -> str:
    figures = tally.figures()
    start = "ended early; " if tally.ended else ""
    kept = f" ({figures['kept']} cases were done before)" if figures["kept"] else ""
    failures = f"{figures['failures']} failure{'' if figures['failures'] == 1 else 's'}"
    return f"{start}{figures['masks']} of {figures['cases']} cases have a mask, {failures}{kept}: {out / 'index.html'}"
