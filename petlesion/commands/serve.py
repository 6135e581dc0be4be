# SPDX-License-Identifier: Apache-2.0
"""`petlesion serve`: the platform's server, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

from petlesion.limits import UsageError

SUMMARY = "keep the networks loaded, and segment the case in the input folder at each POST /invoke"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    from petlesion.options import add_run_options, add_server_options, add_socket_options

    add_socket_options(parser)
    add_server_options(parser, "127.0.0.1")
    add_run_options(parser)


def run(arguments: argparse.Namespace, started_s: float) -> int:
    """Serve until the process is told to end; the exit status."""
    from petlesion.desk import SocketDesk
    from petlesion.options import run_options
    from petlesion.service import serve

    try:
        options = run_options(arguments, started_s)
    except ValueError as error:
        raise UsageError(str(error)) from error
    desk = SocketDesk(arguments.input, arguments.output, arguments.slug, arguments.page)
    return serve(options, desk, arguments.host, arguments.port)
