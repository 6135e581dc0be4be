# SPDX-License-Identifier: Apache-2.0
"""The options that the container's entry and the command line share, and the values they become."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from petlesion.case import Tracer
from petlesion.challenge import MASK_SLUG
from petlesion.dicom.moments import parse_given
from petlesion.dicom.wishes import DECAY_CORRECTIONS, DicomWishes
from petlesion.limits import Depth, Device, Limits
from petlesion.read_options import ReadOptions
from petlesion.recipes import RECIPES

if TYPE_CHECKING:
    from datetime import datetime, time

    from petlesion.recipe import Recipe

OnError = Literal["fail", "mask"]
PORT = 4743  # where the platform calls
DICOM_OPTIONS = tuple(field.name for field in fields(DicomWishes))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One run's choices, as values.

    Attributes:
        recipe: The published system.
        weights: Folder of the weights; None searches as `ModelStore.open` says.
        limits: Time, device and depth.
        reading: How lenient the reading of a case is.
        on_error: "fail" writes no mask on an error; "mask" writes the best there is.
        cache: Folder in which a case leaves what the next step of it can reuse; None leaves nothing.
    """

    recipe: Recipe
    weights: Path | None
    limits: Limits
    reading: ReadOptions
    on_error: OnError
    cache: Path | None = None


def add_socket_options(parser: argparse.ArgumentParser) -> None:
    """Add where the sockets of a case are."""
    add = parser.add_argument
    add("--input", type=Path, default=Path("/input"), metavar="DIR", help="folder of the case (default: %(default)s)")
    add("--output", type=Path, default=Path("/output"), metavar="DIR", help="folder of the mask (default: %(default)s)")
    add("--slug", default=MASK_SLUG, help="output socket (default: %(default)s)")
    add("--page", action="store_true", help="write lesions.csv and report.html beside report.json (seconds more)")


def add_server_options(parser: argparse.ArgumentParser, host: str, api_method: str | None = None) -> None:
    """Add where a server listens, by default on `host`; and with `api_method`, its default, whether there is one."""
    add = parser.add_argument
    if api_method is not None:
        if api_method not in {"exec", "invoke"}:
            parser.error(f"an image is run by exec or invoke; it was built with {api_method!r}")
        add("--api-method", choices=("exec", "invoke"), default=api_method, help="segment the case that is there and "
            "end, or serve: a case for each POST /invoke (default: %(default)s)")  # fmt: skip
    add("--host", default=host, help="address that a server listens on (default: %(default)s)")
    add("--port", type=int, default=PORT, help="port that a server listens on; 0: any (default: %(default)s)")


def add_run_options(
    parser: argparse.ArgumentParser, on_error: str = "fail", *, of_many: bool = False, seen: bool = False
) -> None:
    """Add the options of a run to `parser`; `on_error` is the default of --on-error.

    Those of a run over many cases (`of_many`) have none that speak of one study, and no time limit by default. A run
    whose answers a person sees one by one (`seen`) keeps its own tiles, and leaves errors to the person.
    """
    add = parser.add_argument
    add("--weights", type=Path, metavar="DIR", help="folder with manifest.json (default: /opt/ml/model if it holds "
        "one, else model_weights beside process.py)")  # fmt: skip
    add(
        "--recipe",
        choices=sorted(RECIPES),
        default="mesbah",
        help="published system to run (default: %(default)s)",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the networks run")
    if of_many:
        add("--time-limit", type=float, metavar="SECONDS", default=0.0, help="seconds for each case; 0: none "
            "(default: none)")  # fmt: skip
    else:
        add("--time-limit", type=float, metavar="SECONDS", help="seconds from the start of the process, or the "
            "arrival of a call, to the mask; 0: none (default: the recipe's, 900 for mesbah)")  # fmt: skip
    _add_sweep_options(parser)
    _add_reading_options(parser)
    if of_many:
        parser.set_defaults(on_error="fail", **dict.fromkeys(("cache", *DICOM_OPTIONS)))
        return
    add_dicom_options(parser)
    if seen:
        parser.set_defaults(on_error="fail", cache=None)
        return
    if on_error not in {"fail", "mask"}:
        parser.error(f"an error is answered with fail or mask; the image was built with {on_error!r}")
    add("--on-error", choices=("fail", "mask"), default=on_error, help="on an error: no mask and a non-zero exit "
        "status, or the best mask there is (default: %(default)s)")  # fmt: skip
    add("--cache", type=Path, metavar="DIR", help="folder that keeps what the next step of the same case, with other "
        "clicks, can reuse: at most 4 GB, and the mask is the same (default: none)")  # fmt: skip


def _add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add what the networks sweep, and how often."""
    add = parser.add_argument
    add("--depth", type=_depth, default="voxels", metavar="voxels|published|deadline|N", help="test-time flips: by "
        "the voxels the network sweeps, by those of the input, as many as the time allows, or N = 1, 2, 4 or 8 "
        "(default: %(default)s)")  # fmt: skip
    add("--body-crop", action=argparse.BooleanOptionalAction, default=None, help="sweep only the body's box "
        "(default: the recipe's choice)")  # fmt: skip
    add("--tile-step", type=float, metavar="F", help="distance of neighbouring tiles, as a fraction of the patch in "
        "(0, 1] (default: the recipe's)")  # fmt: skip
    add("--folds", type=_folds, metavar="0,1,...", help="folds of the ensemble to use (default: all)")
    add("--average-folds", action="store_true", help="average the folds' weights into one network; for folds whose "
        "training began with the same weights (not exact, see docs/performance.md)")  # fmt: skip
    add("--compile", action="store_true", help="compile the networks on a GPU before they sweep: minutes, which many "
        "sweeps may win back; where it fails they run as they are")  # fmt: skip
    add("--tracer", choices=("auto", *Tracer), default="auto", help="the tracer, where it is known (default: the "
        "DICOM header's, else the MIP-CNN's vote)")  # fmt: skip


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add how clicks and PET are taken."""
    add = parser.add_argument
    add("--strict", action="store_true", help="refuse a broken clicks file instead of going on without clicks")
    add("--points", choices=("voxels", "mm"), default="voxels", help="unit of the clicks: voxel indices of the PET, "
        "or millimetres in the patient (LPS)")  # fmt: skip
    add("--assume-suv", action="store_true", help="take the PET as SUV although its values look like Bq/ml")


def add_dicom_options(parser: argparse.ArgumentParser) -> None:
    """What a user can say about DICOM images; each stands in for the header."""
    add = parser.add_argument_group(
        "DICOM images", "which series, and what their headers lack or have wrong"
    ).add_argument
    add("--pet-series", metavar="UID", help="Series Instance UID of the PET (default: the attenuation-corrected one)")
    add("--ct-series", metavar="UID", help="Series Instance UID of the CT (default: that of the PET's place)")
    add("--weight-kg", type=float, metavar="KG", help="the patient's weight")
    add(
        "--height-cm",
        type=float,
        metavar="CM",
        help="the patient's height, for PET stored by body surface or lean mass",
    )
    add("--dose-mbq", type=float, metavar="MBQ", help="activity injected, at the time of the injection")
    add("--half-life-s", type=float, metavar="SECONDS", help="the radionuclide's half-life (F-18: 6586.2)")
    add("--injected-at", type=_moment, metavar="TIME", help="start of the injection on the scanner's clock: "
        "2005-03-03T12:28:00, or 12:28:00")  # fmt: skip
    add("--decay-correction", choices=DECAY_CORRECTIONS, help="moment to which the PET's values are decay-corrected: "
        "the scan's start, the injection, or none")  # fmt: skip
    add("--corrected-to", type=_moment, metavar="TIME", help="that moment, where it is the scan's start")


def run_options(arguments: argparse.Namespace, started_s: float) -> RunOptions:
    """The parsed arguments as values; the clock started at `started_s` of `time.monotonic()`.

    Raises:
        ValueError: When a value is outside its range.
    """
    limits = Limits(
        device=cast("Device", arguments.device),
        time_limit_s=float("inf") if arguments.time_limit == 0 else arguments.time_limit,
        started_s=started_s,
        depth=cast("Depth", arguments.depth),
        body_crop=arguments.body_crop,
        tile_step=arguments.tile_step,
        folds=arguments.folds,
        tracer=None if arguments.tracer == "auto" else Tracer(arguments.tracer),
        average_folds=arguments.average_folds,
        compile=arguments.compile,
    )
    reading = ReadOptions(
        strict=arguments.strict,
        assume_suv=arguments.assume_suv,
        points_unit=arguments.points,
        dicom=dicom_wishes(arguments),
    )
    recipe, on_error = RECIPES[arguments.recipe], cast("OnError", arguments.on_error)
    return RunOptions(recipe, arguments.weights, limits, reading, on_error, _cache(arguments))


def _cache(arguments: argparse.Namespace) -> Path | None:
    """The folder of --cache, which may lie anywhere but among the images that the platform takes."""
    cache: Path | None = arguments.cache
    output: Path | None = getattr(arguments, "output", None)
    if cache and output and cache.resolve().is_relative_to((output / "images").resolve()):
        raise ValueError(f"--cache lies outside of the results; {cache} is inside {output / 'images'}: choose another")
    return cache


def dicom_wishes(arguments: argparse.Namespace) -> DicomWishes:
    """What `add_dicom_options` added, as a value.

    Raises:
        ValueError: When a number is outside its range.
    """
    return DicomWishes(**{name: getattr(arguments, name) for name in DICOM_OPTIONS})


def _depth(text: str) -> Depth:
    if text in {"voxels", "published", "deadline"}:
        return cast("Depth", text)
    if text in {"1", "2", "4", "8"}:
        return int(text)
    raise argparse.ArgumentTypeError(f"voxels, published, deadline, 1, 2, 4 or 8; got {text!r}")


def _moment(text: str) -> datetime | time:
    try:
        return parse_given(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _folds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"fold numbers with commas between them, such as 0,1; got {text!r}") from None
