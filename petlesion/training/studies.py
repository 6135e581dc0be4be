# SPDX-License-Identifier: Apache-2.0
"""Where training studies come from: phantoms drawn freely, phantoms around real organ maps, real studies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import Tracer
from petlesion.clicks import parse_clicks
from petlesion.images import read_image
from petlesion.phantom import Phantom, make_phantom
from petlesion.phantom.organ_map import OrganMap
from petlesion.training.scans import crop, draw_study, shorten
from petlesion.volume import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from petlesion.volume import Triple

HEALTHY_SHARE = 0.12  # fewer than among real patients: a healthy case teaches little
MOST_LESIONS = 16
FINE_BELOW_MM = 3.0
FINE_SHARE = 0.2  # of the studies with voxels below that that are drawn on them; the others on voxels twice as wide
MARGIN_MM = (130.0, 80.0)  # of the arms and the skin around a map's organs, along x and y
KEPT_OUT_MAPS = 5  # every fifth patient of the organ maps is never trained on
KEPT_OUT_STUDIES = 6  # every sixth real study


@dataclass(frozen=True)
class Study:
    """Images and truth of one study, all on one grid.

    Attributes:
        tracer: What was injected.
        ct_hu: CT in HU, (Z, Y, X).
        pet_suv: PET in SUV.
        truth: Non-zero in lesions.
        organs: Labels of `phantom.organs.Organ`; None where they are not known.
    """

    tracer: Tracer
    ct_hu: Volume
    pet_suv: Volume
    truth: Volume
    organs: Volume | None

    @classmethod
    def of(cls, phantom: Phantom) -> Study:
        """A phantom as a study."""
        return cls(phantom.tracer, phantom.ct_hu, phantom.pet_suv, phantom.truth, phantom.organs)


@dataclass(frozen=True)
class Source:
    """What a training case is made from.

    Attributes:
        tracer: What was injected.
        seed: Of everything random in it.
        organ_map: File of a real patient's organ map to draw around; None draws the organs, too.
        clicks: File of that patient's clicks, which tell where tumours lay.
        images: Folder of a real study: CTres.nii.gz (HU), SUV.nii.gz and SEG.nii.gz, as autoPET's FDG studies come.
    """

    tracer: Tracer
    seed: int
    organ_map: Path | None = None
    clicks: Path | None = None
    images: Path | None = None

    @cached_property
    def name(self) -> str:
        """Name of the case's file."""
        if self.images is not None:
            return f"real_{self.images.name}_{self.seed}"
        return f"{self.tracer}_{self.seed}" if self.organ_map is None else f"{_stem(self.organ_map)}_{self.seed}"

    @property
    def patient(self) -> str:
        """Who it is: sources of one patient stay together."""
        return self.name if self.organ_map is None else _patient(self.organ_map)

    def study(self, rng: np.random.Generator) -> Study:
        """Read or draw it.

        Raises:
            CaseError: When a real study's images cannot be read.
            OrganMapError: When an organ map is none.
        """
        if self.images is not None:
            return read_study(self.images, self.tracer)
        if self.organ_map is None:
            return Study.of(shorten(draw_study(self.tracer, rng, n_lesions=_count(rng)), rng))
        labels = trimmed(read_labels(self.organ_map))
        if labels.grid.spacing_mm[0] < FINE_BELOW_MM and rng.random() > FINE_SHARE:
            labels = thinned(labels)
        return Study.of(shorten(self._around(self.organ_map, labels, rng), rng))

    def picture_study(self, rng: np.random.Generator) -> Study:
        """The whole study on a coarse grid, for pictures, where fine grids add nothing."""
        if self.images is not None:
            return read_study(self.images, self.tracer)
        if self.organ_map is None:
            return Study.of(draw_study(self.tracer, rng, coarse=True))
        labels = coarsened(trimmed(read_labels(self.organ_map)))
        return Study.of(self._around(self.organ_map, labels, rng))

    def _around(self, organ_map: Path, labels: Volume, rng: np.random.Generator) -> Phantom:
        sites = tumour_sites_mm(organ_map, self.clicks)
        return make_phantom(self.tracer, rng, organs=OrganMap.of(labels), sites_mm=sites, n_lesions=_count(rng))


def _count(rng: np.random.Generator) -> int:
    return int(rng.integers(1, MOST_LESIONS + 1)) if rng.random() > HEALTHY_SHARE else 0


def read_study(folder: Path, tracer: Tracer) -> Study:
    """A real study of autoPET's layout.

    Raises:
        CaseError: When an image is missing or cannot be read.
    """
    ct, pet, mask = (read_image(folder / f"{name}.nii.gz", name) for name in ("CTres", "SUV", "SEG"))
    return Study(tracer, ct, pet, mask.with_array((mask.array_zyx > 0).astype(np.uint8)), None)


def read_labels(path: Path) -> Volume:
    """An organ map's labels, uint8."""
    volume = read_image(path, "organ map")
    return volume.with_array(volume.array_zyx.astype(np.uint8))


def tumour_sites_mm(organ_map: Path, clicks: Path | None) -> tuple[Triple, ...]:
    """World positions of the tumour clicks of a map's patient; none without clicks."""
    if clicks is None or not clicks.exists():
        return ()
    grid = read_image(organ_map, "organ map").grid
    return tuple(grid.world_mm(point) for point in parse_clicks(clicks.read_bytes()).tumor)


def trimmed(labels: Volume) -> Volume:
    """A label map without the air far from its organs, along x and y."""
    margin = [round(m / s) for m, s in zip(MARGIN_MM[::-1], labels.grid.spacing_zyx_mm[1:], strict=True)]
    parts = [slice(None)]
    for axis, room in zip((1, 2), margin, strict=True):
        held = np.flatnonzero(labels.array_zyx.any(axis=tuple({0, 1, 2} - {axis})))
        parts.append(slice(max(0, int(held[0]) - room), int(held[-1]) + room + 1))
    return crop(labels, (parts[0], parts[1], parts[2]))


def thinned(labels: Volume) -> Volume:
    """Every second voxel along x and y."""
    array, grid = np.ascontiguousarray(labels.array_zyx[:, ::2, ::2]), labels.grid
    z, y, x = array.shape
    spacing = (grid.spacing_mm[0] * 2, grid.spacing_mm[1] * 2, grid.spacing_mm[2])
    return Volume(array, Grid((x, y, z), spacing, grid.origin_mm, grid.direction))


def coarsened(labels: Volume) -> Volume:
    """A label map whose voxels are not fine: every second one along x and y of one whose are."""
    return thinned(labels) if labels.grid.spacing_mm[0] < FINE_BELOW_MM else labels


def map_sources(maps: Path, clicks: Path | None, tracer: Tracer, seed: int, *, kept_out: bool) -> list[Source]:
    """One source for each organ map `<tracer>_<patient>_<date>.nii.gz` that is trained on, or that is kept out."""
    paths = sorted(maps.glob(f"{tracer.lower()}_*.nii.gz"))
    patients = sorted({_patient(path) for path in paths})
    chosen = set(patients[KEPT_OUT_MAPS - 1 :: KEPT_OUT_MAPS])
    picked = [path for path in paths if (_patient(path) in chosen) == kept_out]
    return [
        Source(tracer, seed + i, path, None if clicks is None else clicks / f"{_stem(path)}.json")
        for i, path in enumerate(picked)
    ]


def study_sources(folder: Path, seed: int, *, kept_out: bool) -> list[Source]:
    """The real FDG studies of a folder that are trained on, or those that are kept out."""
    held = sorted(path for path in folder.iterdir() if (path / "SEG.nii.gz").exists())
    chosen = set(held[KEPT_OUT_STUDIES - 1 :: KEPT_OUT_STUDIES])
    return [Source(Tracer.FDG, seed, images=path) for path in held if (path in chosen) == kept_out]


def lesion_values(sources: Sequence[Source]) -> tuple[np.ndarray, np.ndarray]:
    """CT in HU and PET in SUV of lesion voxels, (N,) float32 each, as many of phantoms as of real studies."""
    groups: dict[bool, list[np.ndarray]] = {}
    for source in sources:
        study = source.study(np.random.default_rng([source.seed, 7]))
        inside = study.truth.array_zyx > 0
        values = np.stack([study.ct_hu.array_zyx[inside], study.pet_suv.array_zyx[inside]])
        groups.setdefault(source.images is not None, []).append(values.astype(np.float32))
    parts = [np.concatenate(held, axis=1) for held in groups.values()]
    fewest = min(part.shape[1] for part in parts)
    even = np.concatenate([part[:, :: max(1, part.shape[1] // fewest)][:, :fewest] for part in parts], axis=1)
    return even[0], even[1]


def patient_folds(sources: Iterable[Source], n_folds: int) -> list[set[Source]]:
    """Sources that each fold leaves out; all of a patient's in one fold."""
    held = list(sources)
    patients = {name: i for i, name in enumerate(dict.fromkeys(source.patient for source in held))}
    return [{s for s in held if patients[s.patient] % n_folds == fold} for fold in range(n_folds)]


def _patient(path: Path) -> str:
    return _stem(path).split("_")[1]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".nii.gz")
