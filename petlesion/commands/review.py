# SPDX-License-Identifier: Apache-2.0
"""`petlesion review`: a local page on which a person sees a case, clicks, and watches the mask change."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from petlesion.limits import UsageError

if TYPE_CHECKING:
    import argparse

    from petlesion.review.source import Source

SUMMARY = "see a case on a local page, set clicks, watch the mask change, and save it"
NEEDED = ("starlette", "uvicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_run_options

    add = parser.add_argument
    add("case", type=Path, nargs="?", metavar="CASE", help="folder of a case in the platform's form: images/ct, "
        "images/pet, lesion-clicks.json")  # fmt: skip
    add("--dicom", type=Path, metavar="STUDY", help="folder of a DICOM study with PET and CT, instead of CASE")
    add("--ct", type=Path, metavar="FILE", help="CT in Hounsfield units (.mha, .nii.gz), instead of CASE")
    add("--pet", type=Path, metavar="FILE", help="PET in SUV by body weight")
    add("--clicks", type=Path, metavar="FILE", help="lesion-clicks.json to begin with (default: CASE's, or none)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder that the review is saved to; it is made")
    add("--anonymise", action="store_true", help="leave out the patient's name, birth date and identifiers from DICOM "
        "objects")  # fmt: skip
    add("--port", type=int, default=0, help="port to listen on, of this machine alone (default: any that is free)")
    add("--no-browser", action="store_true", help="only print the page's address instead of opening it too")
    add_run_options(parser, seen=True)
    parser.set_defaults(depth=1)


def run(arguments: argparse.Namespace, started_s: float) -> int:
    """Serve until the process is told to end; the exit status."""
    from petlesion.options import run_options

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the review needs {' and '.join(missing)}: pip install 'starlette>=1,<2' 'uvicorn>=0.54,<1'")
    source = _source(arguments)
    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    from petlesion.review.saving import Folder
    from petlesion.review.service import Door, review

    def announce(address: str) -> None:
        print(address, flush=True)
        if not arguments.no_browser:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # one in a terminal would not return

    return review(options, Folder(arguments.out, source, arguments.anonymise), Door(arguments.port, announce))


def _source(arguments: argparse.Namespace) -> Source:
    """Where the case comes from."""
    from petlesion.review.source import Source

    case, study, ct, pet = arguments.case, arguments.dicom, arguments.ct, arguments.pet
    given = [case is not None, study is not None, ct is not None or pet is not None]
    if sum(given) != 1 or (ct is None) != (pet is None):
        raise UsageError("a case is a folder CASE, or --dicom STUDY, or --ct FILE with --pet FILE; give one of these")
    if case is not None and arguments.clicks is not None:
        raise UsageError("a folder CASE has its own lesion-clicks.json; --clicks goes with --dicom, or --ct and --pet")
    return Source(case, study, ct, pet, arguments.clicks)
