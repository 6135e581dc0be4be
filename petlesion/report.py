# SPDX-License-Identifier: Apache-2.0
"""The report beside a mask: how it came about and what it holds, as plain JSON values."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from petlesion import __version__
from petlesion.lesions import dmax_mm, tmtv_ml, total_tlg

if TYPE_CHECKING:  # the report reads a result; it does not need the machinery that made it
    from collections.abc import Sequence

    from petlesion.inference.manifest import ModelEntry
    from petlesion.lesions import Lesion
    from petlesion.result import Result, StageRecord

NOTICE = "For research use only; not a medical device."
DISTRIBUTIONS = (
    "torch",
    "numpy",
    "scipy",
    "SimpleITK",
    "connected-components-3d",
    "safetensors",
    "pydicom",
)

Json = dict[str, Any]


def report_of(result: Result, *, case_name: str, recipe_name: str, warnings: tuple[str, ...]) -> Json:
    """The report of a finished case.

    Units are in the keys: `_ml`, `_mm`, `_s`; SUV by body weight; points are (x, y, z).
    """
    return {
        "case": case_name,
        "notice": NOTICE,
        "recipe": recipe_name,
        "complete": not result.stopped,
        "stopped": result.stopped,
        "fallback": "",
        "tracer": _tracer(result),
        "stages": [_stage(stage) for stage in result.stages],
        "seconds": result.seconds,
        "warnings": list(warnings),
        **lesion_figures(result.lesions),
        "versions": versions(),
    }


def lesion_figures(lesions: Sequence[Lesion]) -> Json:
    """A report's part on lesions: each of them, and their totals."""
    farthest = dmax_mm(lesions)
    return {
        "lesions": [_lesion(lesion) for lesion in lesions],
        "n_lesions": len(lesions),
        "tmtv_ml": round(tmtv_ml(lesions), 6),
        "tlg": round(total_tlg(lesions), 6),
        "dmax_mm": None if farthest is None else round(farthest, 3),
    }


def fallback_report(*, case_name: str, recipe_name: str, reason: str, how: str, warnings: tuple[str, ...]) -> Json:
    """The report of a case whose mask is a fallback: `how` it was made, and the `reason`."""
    return {
        "case": case_name,
        "notice": NOTICE,
        "recipe": recipe_name,
        "complete": False,
        "stopped": reason,
        "fallback": how,
        "warnings": list(warnings),
        "versions": versions(),
    }


def mask_report(lesions: Sequence[Lesion], *, case_name: str, warnings: tuple[str, ...] = ()) -> Json:
    """The report of a mask that was not made here, or was changed since: only what can be measured on it."""
    return {
        "case": case_name,
        "notice": NOTICE,
        "recipe": "",
        "complete": True,
        "stopped": "",
        "fallback": "",
        "tracer": None,
        "stages": [],
        "seconds": {},
        "warnings": list(warnings),
        **lesion_figures(lesions),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a mask."""
    found = {"python": platform.python_version(), "petlesion": __version__}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
        except OSError:
            found[name] = "cannot be read"
    return found


def _tracer(result: Result) -> Json:
    """The tracer's call; its name is null where nobody asked for it, as in systems with one ensemble for both."""
    call, model = result.tracer, result.tracer_model
    return {
        "name": str(call.tracer) if call else None,
        "given": bool(call and not call.votes),
        "recorded": str(call.recorded) if call and call.recorded else None,
        "votes": [str(vote) for vote in call.votes] if call else [],
        "psma_probabilities": [round(p, 6) for p in call.probabilities] if call else [],
        "model": _model(model, model.fold_numbers) if model else None,
    }


def _stage(stage: StageRecord) -> Json:
    model, plan = stage.model, stage.plan
    return {
        "model": _model(model, plan.folds),
        "plan": {
            "folds": list(plan.folds),
            "flips": [list(flip) for flip in plan.flips],
            "tile_step": plan.tile_step,
            "averaged_folds": plan.averaged,
            "reason": plan.reason,
        },
        "box_zyx": [list(corner) for corner in stage.box_zyx],
        "network_shape_zyx": list(stage.network_shape_zyx),
        "sweeps_planned": len(plan.sweeps),
        "sweeps_done": [{"fold": fold, "flip": list(flip)} for fold, flip in stage.sweeps],
        "seconds_by_sweep": [round(s, 3) for s in stage.seconds],
        "stopped": stage.stopped,
        **({"tiles": {"computed": stage.tiles.computed, "reused": stage.tiles.reused}} if stage.tiles else {}),
    }


def _model(model: ModelEntry, folds: tuple[int, ...]) -> Json:
    return {
        "name": model.name,
        "synthetic": model.synthetic,
        "training_data": model.training_data,
        "licence": model.licence,
        "weights": [{"fold": f.fold, "file": f.file, "sha256": f.sha256} for f in model.folds if f.fold in folds],
    }


def _lesion(lesion: Lesion) -> Json:
    return {
        "number": lesion.number,
        "n_voxels": lesion.n_voxels,
        "volume_ml": round(lesion.volume_ml, 6),
        "suv_max": round(lesion.suv_max, 6),
        "suv_mean": round(lesion.suv_mean, 6),
        "suv_peak": round(lesion.suv_peak, 6),
        "tlg": round(lesion.tlg, 6),
        "longest_diameter_mm": round(lesion.longest_diameter_mm, 3),
        "centroid_xyz": [round(c, 3) for c in lesion.centroid_xyz],
        "centroid_mm": [round(c, 3) for c in lesion.centroid_mm],
    }
