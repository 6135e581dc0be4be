# SPDX-License-Identifier: Apache-2.0
"""petlesion: interactive tumour lesion segmentation in FDG and PSMA PET/CT. Research use only.

    from petlesion import read_case, segment

    case = read_case("ct.nii.gz", "pet.nii.gz", clicks="lesion-clicks.json")
    result = segment(case)

What stands in `__all__` is the public library. Each name is imported when it is first asked for, so that
`import petlesion` costs nothing and reading a case needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petlesion.case import CaseError, PetCtCase, Tracer
    from petlesion.clicks import Clicks
    from petlesion.dicom.wishes import DicomWishes
    from petlesion.images import OutputError
    from petlesion.inference.manifest import WeightsError
    from petlesion.inference.weights import ModelStore
    from petlesion.lesions import Lesion, LesionMask
    from petlesion.library import read_case, segment, write_mask, write_reports
    from petlesion.limits import Limits, OutOfLimitsError, UsageError
    from petlesion.read_options import ReadOptions
    from petlesion.result import Result
    from petlesion.volume import Grid, Volume

__version__ = "0.1.0"

__all__ = [
    "CaseError",
    "Clicks",
    "DicomWishes",
    "Grid",
    "Lesion",
    "LesionMask",
    "Limits",
    "ModelStore",
    "OutOfLimitsError",
    "OutputError",
    "PetCtCase",
    "ReadOptions",
    "Result",
    "Tracer",
    "UsageError",
    "Volume",
    "WeightsError",
    "__version__",
    "read_case",
    "segment",
    "write_mask",
    "write_reports",
]

_HOMES = {
    "case": ("CaseError", "PetCtCase", "Tracer"),
    "clicks": ("Clicks",),
    "dicom.wishes": ("DicomWishes",),
    "images": ("OutputError",),
    "inference.manifest": ("WeightsError",),
    "inference.weights": ("ModelStore",),
    "lesions": ("Lesion", "LesionMask"),
    "library": ("read_case", "segment", "write_mask", "write_reports"),
    "limits": ("Limits", "OutOfLimitsError", "UsageError"),
    "read_options": ("ReadOptions",),
    "result": ("Result",),
    "volume": ("Grid", "Volume"),
}
_HOME_OF = {name: f"petlesion.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """The public names beside what is loaded already."""
    return sorted({*globals(), *__all__})
