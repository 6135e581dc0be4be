# SPDX-License-Identifier: Apache-2.0
"""Lesions put into a synthetic patient: where, how large, how hot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from petlesion.phantom.organs import Organ
from petlesion.phantom.scanner import FWHM_PER_SIGMA, LYTIC_LESION, SCLEROTIC_LESION, SOFT_LESION
from petlesion.phantom.shapes import Field, SmoothNoise
from petlesion.phantom.uptake import normal_level, parameters, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.case import Tracer
    from petlesion.volume import Grid, Index, Triple

SMALLEST_ML = 0.08
LARGEST_ML = 250.0
KNOWN_SITES_SHARE = 0.5
KNOWN_SITES_SD_MM = 5.0
TRIES = 40
"""How often another place is tried before a lesion is given up: a patient may be full."""

Box = tuple[slice, slice, slice]


class Site(StrEnum):
    """Where tumours grow."""

    NODE = "NODE"
    BONE = "BONE"
    LUNG = "LUNG"
    LIVER = "LIVER"
    SOFT = "SOFT"
    PROSTATE = "PROSTATE"
    BOWEL = "BOWEL"
    BESIDE = "BESIDE"


HOSTS: dict[Site, tuple[Organ, ...]] = {
    Site.NODE: (Organ.BLOOD,),
    Site.BONE: (Organ.MARROW, Organ.BONE),
    Site.LUNG: (Organ.LUNG,),
    Site.LIVER: (Organ.LIVER,),
    Site.SOFT: (Organ.MUSCLE,),
    Site.PROSTATE: (Organ.PROSTATE,),
    Site.BOWEL: (Organ.COLON, Organ.SMALL_BOWEL),
    Site.BESIDE: (Organ.BLADDER, Organ.KIDNEY, Organ.MYOCARDIUM, Organ.BRAIN, Organ.LIVER, Organ.SPLEEN, Organ.PAROTID),
}
"""Organs in which the centre of a lesion lies, or beside which: nodes lie beside vessels, others beside hot organs."""
OUTSIDE = (Site.NODE, Site.BESIDE)
LARGEST_AT_ML = {Site.NODE: 60.0, Site.BONE: 60.0, Site.PROSTATE: 20.0, Site.BOWEL: 60.0}
CLOSED = (
    Organ.AIR, Organ.TABLE, Organ.URINE, Organ.BLADDER, Organ.BRAIN, Organ.WHITE_MATTER, Organ.KIDNEY,
    Organ.MYOCARDIUM, Organ.PAROTID, Organ.SUBMANDIBULAR,
)  # fmt: skip
"""Organs that no lesion overwrites: too hot or too empty for a lesion to be told from them."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One lesion as planned.

    Attributes:
        box: Where it lies in the arrays (z, y, x).
        mask: Its voxels within the box.
        site: Where it grows.
    """

    box: Box
    mask: NDArray[np.bool_]
    site: Site


@dataclass(slots=True)
class Field3:
    """The arrays that lesions change: labels for the CT, activity in SUV, truth. All (Z, Y, X).

    `sites_mm` are world positions where lesions of such a patient lay.
    """

    grid: Grid
    labels: NDArray[np.uint8]
    activity_suv: Field
    truth: NDArray[np.uint8]
    sites_mm: Sequence[Triple] = ()
    found: dict[Site, NDArray[np.int64]] = field(default_factory=dict)

    def host_voxels(self, site: Site) -> NDArray[np.int64]:
        """Flat indices of all voxels that may hold the centre of a lesion of this site."""
        if site not in self.found:
            self.found[site] = np.flatnonzero(np.isin(self.labels, HOSTS[site]))
        return self.found[site]


def draw_count(tracer: Tracer, rng: np.random.Generator) -> int:
    """Number of lesions of a patient: none in a share of them, else 1..20."""
    table = parameters()["lesions"]
    if rng.random() < table["healthy_share"][tracer]:
        return 0
    return int(np.clip(round(quantile(table["count"][tracer]["percentiles"], rng.random())), 1, 20))


def sow(tracer: Tracer, patient: Field3, n_lesions: int, fwhm_mm: float, rng: np.random.Generator) -> tuple[Seed, ...]:
    """Put lesions into a patient's arrays, in place; fewer than asked where no room is found.

    Lesions of one patient are alike: half of the variance of their uptake is shared.
    """
    shared = rng.normal()
    seeds: list[Seed] = []
    for _ in range(n_lesions):
        seed = _place(tracer, patient, rng)
        if seed is None:
            continue
        score = 0.7 * shared + 0.7 * rng.normal()
        table = parameters()["lesions"]["suv_max"][tracer]["percentiles"]
        _heat(patient, seed, quantile(table, normal_level(score), tails=True), fwhm_mm, rng)
        seeds.append(seed)
    return tuple(seeds)


def _place(tracer: Tracer, patient: Field3, rng: np.random.Generator) -> Seed | None:
    """A place and a form for one more lesion that touches no other, smaller where many fail; None after `TRIES`."""
    table = parameters()["lesions"]
    percentiles = table["volume_ml"][tracer]["percentiles"]
    drawn_ml = float(np.clip(quantile(percentiles, rng.random(), tails=True), SMALLEST_ML, LARGEST_ML))
    shares = table["sites"][tracer]
    for attempt in range(TRIES):
        drawn_ml *= 0.9 if attempt > TRIES // 4 else 1.0
        site = Site(str(rng.choice(list(shares), p=np.asarray(list(shares.values())) / sum(shares.values()))))
        if patient.sites_mm and rng.random() < KNOWN_SITES_SHARE:
            site, centre = _known_place(patient, rng)
        else:
            centre = _centre(patient, site, drawn_ml, rng)
        if centre is None or drawn_ml > LARGEST_AT_ML.get(site, LARGEST_ML):
            continue
        seed = _form(patient, centre, drawn_ml, site, rng)
        if seed is not None:
            return seed
    return None


def _known_place(patient: Field3, rng: np.random.Generator) -> tuple[Site, Index | None]:
    """A voxel (z, y, x) near a place where the patient had a tumour, and what kind of site that is."""
    spot = np.asarray(patient.sites_mm[int(rng.integers(len(patient.sites_mm)))]) + rng.normal(0, KNOWN_SITES_SD_MM, 3)
    x, y, z = (round(i) for i in patient.grid.index_of((float(spot[0]), float(spot[1]), float(spot[2]))))
    if not patient.grid.contains((x, y, z)):
        return Site.SOFT, None
    organ = patient.labels[z, y, x]
    hosts = [site for site, found in HOSTS.items() if organ in found and site not in OUTSIDE]
    return (hosts[0] if hosts else Site.SOFT), (z, y, x)


def _centre(patient: Field3, site: Site, volume_ml: float, rng: np.random.Generator) -> Index | None:
    """A voxel (z, y, x) for the centre: of the host organ, or beside it for nodes and neighbours of hot organs."""
    hosts = patient.host_voxels(site)
    if not len(hosts):
        return None
    centre = np.array(np.unravel_index(hosts[rng.integers(len(hosts))], patient.labels.shape))
    if site in OUTSIDE:
        radius_mm = (volume_ml * 1000 * 0.75 / np.pi) ** (1 / 3)
        way = rng.normal(size=3)
        reach = radius_mm + rng.uniform(6, 20)
        centre = centre + np.rint(way / np.linalg.norm(way) * reach / patient.grid.spacing_zyx_mm).astype(int)
        if (centre < 0).any() or (centre >= patient.labels.shape).any():
            return None
        if patient.labels[tuple(centre)] not in {Organ.FAT, Organ.MUSCLE, Organ.PANCREAS}:
            return None
    return (int(centre[0]), int(centre[1]), int(centre[2]))


def _form(patient: Field3, centre_zyx: Index, volume_ml: float, site: Site, rng: np.random.Generator) -> Seed | None:
    """An irregular lump of exactly the wished volume around a centre, or None where there is no room for it."""
    n_voxels = max(1, round(volume_ml / patient.grid.voxel_ml))
    radius_mm = (volume_ml * 1000 * 0.75 / np.pi) ** (1 / 3)
    reach = [int(np.ceil((2.2 * radius_mm + 2 * s) / s)) for s in patient.grid.spacing_zyx_mm]
    box = _box(centre_zyx, reach, patient.labels.shape)
    far = _lump_distance(patient.grid, box, centre_zyx, radius_mm, rng)
    labels = patient.labels[box]
    if site is Site.BONE:
        far = far * np.where(np.isin(labels, HOSTS[site]), np.float32(1), np.float32(1.6))
    taken = ndimage.binary_dilation(patient.truth[box] > 0, np.ones((3, 3, 3), dtype=bool), iterations=2)
    far = np.where(np.isin(labels, CLOSED) | taken, np.float32(np.inf), far)
    if np.count_nonzero(np.isfinite(far)) < 2 * n_voxels:
        return None
    mask = far <= np.partition(far.ravel(), n_voxels - 1)[n_voxels - 1]
    return Seed(box, mask, site) if _is_whole(mask) and far[mask].max() < 2.0 * radius_mm else None


def _is_whole(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask is one 26-connected piece."""
    return int(ndimage.label(mask, np.ones((3, 3, 3), dtype=int))[1]) == 1


def _lump_distance(grid: Grid, box: Box, centre_zyx: Index, radius_mm: float, rng: np.random.Generator) -> Field:
    """Distance from a centre in mm, squeezed along random axes and made irregular by smooth noise; shape of the box."""
    axes = [(np.arange(s.start, s.stop) - c) * p for s, c, p in zip(box, centre_zyx, grid.spacing_zyx_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    points = np.stack([z, y, x]).reshape(3, -1)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    squeeze = np.exp(rng.normal(0, 0.22, 3))
    far = np.linalg.norm((turn @ points) / (squeeze / squeeze.prod() ** (1 / 3))[:, None], axis=0).reshape(z.shape)
    pitch = max(0.8 * radius_mm, 3.0)
    extent = tuple(float(a[-1] - a[0]) + 1 for a in axes)
    noise = SmoothNoise((extent[0], extent[1], extent[2]), pitch, rng).at(*(a - a[0] for a in axes))
    rough = rng.uniform(0.05, 0.3)
    lump: Field = (far * np.exp(rough * noise)).astype(np.float32)
    return lump


def _heat(patient: Field3, seed: Seed, suv_max: float, fwhm_mm: float, rng: np.random.Generator) -> None:
    """Write a lesion into activity, labels and truth, so hot that its maximum after the blur is about `suv_max`."""
    pad = [int(np.ceil(2 * fwhm_mm / s)) for s in patient.grid.spacing_zyx_mm]
    sigmas = [fwhm_mm / FWHM_PER_SIGMA / s for s in patient.grid.spacing_zyx_mm]
    weight = np.pad(_profile(seed.mask, patient.grid, rng), [(p, p) for p in pad])
    recovered = float(ndimage.gaussian_filter(weight, sigmas, mode="constant").max())
    around = patient.activity_suv[seed.box]
    ground = float(np.median(around[seed.mask]))
    wished = max(suv_max, 1.5 * ground + 0.5)
    top = ground + (wished - ground) / max(recovered, 0.15)
    inner = weight[tuple(slice(p, p + n) for p, n in zip(pad, seed.mask.shape, strict=True))]
    around[seed.mask] = ground + (top - ground) * inner[seed.mask]
    patient.truth[seed.box][seed.mask] = 1
    patient.labels[seed.box][seed.mask] = _density(seed.site, rng)


def _profile(mask: NDArray[np.bool_], grid: Grid, rng: np.random.Generator) -> Field:
    """Uptake within a lesion relative to its top: uneven, and hollow in one of five lesions over 6 ml."""
    uneven = np.exp(rng.uniform(0.05, 0.3) * ndimage.gaussian_filter(rng.normal(size=mask.shape), 1.5) * 3)
    profile: Field = (mask * uneven).astype(np.float32)
    if np.count_nonzero(mask) * grid.voxel_ml > 6 and rng.random() < 0.2:
        depth = ndimage.distance_transform_edt(mask, sampling=grid.spacing_zyx_mm)
        profile[depth > rng.uniform(0.45, 0.7) * depth.max()] *= np.float32(rng.uniform(0.1, 0.4))
    profile /= max(float(profile.max()), 1e-6)
    return profile


def _density(site: Site, rng: np.random.Generator) -> int:
    if site is not Site.BONE:
        return SOFT_LESION
    return SCLEROTIC_LESION if rng.random() < 0.6 else LYTIC_LESION


def _box(centre_zyx: Index, reach: list[int], shape: tuple[int, ...]) -> Box:
    z, y, x = (slice(max(0, c - r), min(n, c + r + 1)) for c, r, n in zip(centre_zyx, reach, shape, strict=True))
    return z, y, x
