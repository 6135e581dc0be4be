# SPDX-License-Identifier: Apache-2.0
"""The command line: `petlesion COMMAND`, the same as `python -m petlesion COMMAND`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from petlesion.commands import (
    batch,
    clicks,
    evaluate,
    export_dicom,
    phantom,
    picture,
    prepare,
    rank,
    report,
    review,
    segment,
    serve,
    systems,
    table,
    train,
    weights,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "segment": segment,
    "batch": batch,
    "report": report,
    "export-dicom": export_dicom,
    "serve": serve,
    "review": review,
    "phantom": phantom,
    "clicks": clicks,
    "evaluate": evaluate,
    "rank": rank,
    "picture": picture,
    "table": table,
    "systems": systems,
    "weights": weights,
    "prepare": prepare,
    "train": train,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (see `outcome`)."""
    started_s = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="petlesion", description="Tumour lesions in FDG and PSMA PET/CT. Research use only."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY))
    arguments = parser.parse_args(argv)
    try:
        status: int = COMMANDS[arguments.command].run(arguments, started_s)
    except Exception as error:
        from petlesion.outcome import KNOWN_ERRORS, sentence_of, status_of  # noqa: PLC0415 - knows torch's errors

        if not isinstance(error, KNOWN_ERRORS):
            raise
        print(f"petlesion: {sentence_of(error)}", file=sys.stderr)
        return status_of(error)
    return status
