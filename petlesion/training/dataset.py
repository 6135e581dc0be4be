# SPDX-License-Identifier: Apache-2.0
"""From a folder of studies to an nnU-Net data set that is ready to train on.

    OUT/nnUNet_raw/Dataset701_mesbah_fdg/            imagesTr, labelsTr, organsTr, studies, dataset.json
    OUT/nnUNet_preprocessed/Dataset701_mesbah_fdg/   plans, fingerprint, splits_final.json, gt_segmentations, cases

Stock nnU-Net reads all of it. What is complete is not done again, so that a run that was stopped goes on; other
studies or other settings are refused, since statistics and folds are those of the whole.
"""

from __future__ import annotations

import functools
import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.drafts import staged
from petlesion.inference.resample import resampled_shape
from petlesion.recipes import MESBAH
from petlesion.training.layouts import DataError
from petlesion.training.organs import OrganLabels
from petlesion.training.plans import (
    CONFIGURATION,
    DataStatistics,
    dataset_json,
    intensity_properties,
    normalization_schemes,
    plans_document,
)
from petlesion.training.raw_case import FILE_ENDING, CaseFacts, write_raw_case
from petlesion.training.splits import patient_of, split_by_patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from petlesion.case import Tracer
    from petlesion.recipe import Recipe
    from petlesion.training.layouts import Study
    from petlesion.training.plans import Json
    from petlesion.training.preprocessed import Folders
    from petlesion.training.splits import Split

RECORD = "petlesion.json"
PLANS_NAME = "petlesionPlans"
ORGANS = "petlesion_organs"
"""The key of the plans under which the organ head's classes stand; absent where recipe or studies have no organs."""
IDS = {"mesbah": 700, "lesion_tracer": 710, "alloula": 720, "baseline": 730}
OTHER_ID = 790
ROLES = ("fdg", "psma")  # of one tracer: their numbers follow that of the data set of both


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a data set is prepared with.

    Attributes:
        recipe: Its training schedule and its last stage: channels, heatmap. A smaller network is
            `replace(recipe, training=replace(recipe.training, network=...))`.
        tracer: The tracer whose role is trained; None keeps both, for a shared pretraining.
        seed: Of folds and simulated clicks.
        n_folds: Folds of the cross-validation.
        patients: The patient of a case where its name does not say it.
        organ_labels: A key of `organs.SCHEMES`, or a JSON file; not used where the recipe has no organs.
        workers: Processes that read and prepare studies.
    """

    recipe: Recipe = MESBAH
    tracer: Tracer | None = None
    seed: int = 0
    n_folds: int = 5
    patients: Mapping[str, str] = field(default_factory=dict)
    organ_labels: str = "phantom"
    workers: int = 1

    @property
    def role(self) -> str | None:
        """The recipe's role of the tracer."""
        return self.tracer.lower() if self.tracer else None

    @property
    def dataset_name(self) -> str:
        """nnU-Net's name of the data set."""
        return dataset_name(self.recipe.name, self.role)


def dataset_name(recipe: str, role: str | None) -> str:
    """nnU-Net's name of a recipe's data set for a role; every role but those of one tracer has that of both tracers."""
    number = IDS.get(recipe, OTHER_ID)
    if role not in ROLES:
        return f"Dataset{number}_{recipe}"
    return f"Dataset{number + 1 + ROLES.index(role)}_{recipe}_{role}"


def prepare_dataset(studies: Sequence[Study], out: Path, preparation: Preparation) -> Folders:
    """Prepare a data set; what an earlier run has finished is kept.

    Args:
        studies: As `layouts.find_studies` gives them.
        out: Folder of nnUNet_raw and nnUNet_preprocessed.
        preparation: How.

    Returns:
        The data set's folders.

    Raises:
        DataError: When studies or settings cannot be used, or `out` holds a data set of others. What can be known
            from names and headers is refused before anything is written.
    """
    folders = _folders(out, preparation)
    patients = {study.name: patient_of(study.name, preparation.patients) for study in studies}
    splits = split_by_patient(patients, preparation.n_folds, preparation.seed)
    organs, stage = preparation.recipe.nnunet_training.organs, preparation.recipe.stages[-1]
    labels = OrganLabels.named(preparation.organ_labels, organs) if organs else None
    _keep_record(folders, _record(studies, patients, preparation))
    write = functools.partial(write_raw_case, folder=folders.raw, stage=stage, labels=labels, seed=preparation.seed)
    _for_each(write, studies, preparation.workers)
    plans, dataset = _write_descriptions(folders, studies, splits, labels, preparation)
    _preprocess(folders, sorted(patients), plans, dataset, preparation.workers)
    return folders


def _folders(out: Path, preparation: Preparation) -> Folders:
    if find_spec("nnunetv2") is None:
        raise DataError("training needs nnU-Net, which is not installed: pip install -r requirements-dev.txt")
    from petlesion.training.preprocessed import Folders  # noqa: PLC0415 - imports nnU-Net

    name = preparation.dataset_name
    preprocessed = out.resolve() / "nnUNet_preprocessed" / name
    return Folders(out.resolve() / "nnUNet_raw" / name, preprocessed, preprocessed / f"{PLANS_NAME}_{CONFIGURATION}")


def _preprocess(folders: Folders, names: list[str], plans: Json, dataset: Json, workers: int) -> None:
    from petlesion.training.preprocessed import preprocess_case  # noqa: PLC0415 - imports nnU-Net

    _for_each(functools.partial(preprocess_case, folders=folders, plans=plans, dataset=dataset), names, workers)


def _for_each(do: Callable[[Any], None], items: Iterable[Any], workers: int) -> None:
    """Do something with each item, in this process or in several."""
    if workers <= 1:
        for item in items:
            do(item)
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in pool.map(do, items):
            pass


def _record(studies: Sequence[Study], patients: Mapping[str, str], preparation: Preparation) -> Json:
    """All that a data set follows from: settings and files, with their sizes and times."""
    return {
        "recipe": preparation.recipe.name,
        "role": preparation.role,
        "seed": preparation.seed,
        "folds": preparation.n_folds,
        "organ_labels": preparation.organ_labels,
        "network": json.loads(json.dumps(asdict(preparation.recipe.nnunet_training.network))),
        "batch_size": preparation.recipe.nnunet_training.batch_size,
        "cases": {
            study.name: {
                "patient": patients[study.name],
                "tracer": study.tracer,
                "files": [_stamp(path) for path in (study.ct, study.pet, study.truth, study.clicks, study.organs)],
            }
            for study in studies
        },
    }


def _stamp(path: Path | None) -> list[int] | None:
    """Size and time of change of a file: enough to see that it is another one."""
    return None if path is None else [path.stat().st_size, path.stat().st_mtime_ns]


def _keep_record(folders: Folders, record: Json) -> None:
    """Write the record, or hold it against that of an earlier run: what is not written yet may still change."""
    path = folders.preprocessed / RECORD
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else record
    old, new = held.get("cases", {}), record["cases"]
    planned = (folders.preprocessed / f"{PLANS_NAME}.json").exists()
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    fixed = [name for name in changed if planned or (folders.raw / "studies" / f"{name}.npz").exists()]
    others = [key for key in record if key != "cases" and held.get(key) != record[key]] + fixed
    if others:
        raise DataError(
            f"a data set is prepared as a whole; {path.parent} was prepared with others: {', '.join(others[:5])}; "
            "remove it, or give another --out"
        )
    _write_json(record, path)


def _write_descriptions(
    folders: Folders,
    studies: Sequence[Study],
    splits: list[Split],
    labels: OrganLabels | None,
    preparation: Preparation,
) -> tuple[Json, Json]:
    """Write fingerprint, plans, data-set description, splits and the masks that nnU-Net validates with."""
    facts = [CaseFacts.load(folders.raw / "studies" / f"{study.name}.npz") for study in studies]
    schedule = preparation.recipe.nnunet_training
    data = _statistics(folders.raw.name, facts, preparation.recipe)
    plans = plans_document(schedule.network, data, PLANS_NAME, schedule.batch_size)
    if labels and any(study.organs for study in studies):
        plans[ORGANS] = list(labels.organs)
    dataset = dataset_json(len(studies), preparation.recipe.stages[-1].channels)
    _write_json(dataset, folders.raw / "dataset.json")
    _write_json(dataset, folders.preprocessed / "dataset.json")
    _write_json(_fingerprint(facts, data), folders.preprocessed / "dataset_fingerprint.json")
    _write_json(splits, folders.preprocessed / "splits_final.json")
    _write_json(plans, folders.preprocessed / f"{PLANS_NAME}.json")
    truths = folders.preprocessed / "gt_segmentations"
    truths.mkdir(exist_ok=True)
    for study in studies:
        truth = truths / f"{study.name}{FILE_ENDING}"
        if not truth.exists():
            shutil.copyfile(folders.raw / "labelsTr" / truth.name, truth)
    return plans, dataset


def _statistics(name: str, facts: Sequence[CaseFacts], recipe: Recipe) -> DataStatistics:
    """Statistics over lesion voxels, as many of each study as of another, as nnU-Net's fingerprint has them."""
    values = np.concatenate([one.lesion_values for one in facts], axis=1)
    if not values.size:
        raise DataError(
            "intensities are normalised by the statistics of lesion voxels; every study is healthy; "
            "add studies with lesions"
        )
    schedule, channels = recipe.nnunet_training, recipe.stages[-1].channels
    shapes = np.array([_network_shape(one, schedule.network.spacing_zyx_mm) for one in facts])
    z, y, x = (float(n) for n in np.median(shapes, axis=0))
    sz, sy, sx = (float(s) for s in np.median([one.spacing_zyx_mm for one in facts], axis=0))
    clicks = np.zeros(1, np.float32)  # they are not normalised
    images = dict(zip(("ct", "pet"), values, strict=True))
    intensities = [intensity_properties(images.get(channel, clicks)) for channel in channels]
    schemes = normalization_schemes(channels, schedule.z_scored)
    return DataStatistics(name, intensities, (sz, sy, sx), (z, y, x), schemes)


def _network_shape(facts: CaseFacts, spacing_zyx_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    z, y, x = (int(n) for n in facts.cropped_zyx)
    sz, sy, sx = (float(s) for s in facts.spacing_zyx_mm)
    return resampled_shape((z, y, x), (sz, sy, sx), spacing_zyx_mm)


def _fingerprint(facts: Sequence[CaseFacts], data: DataStatistics) -> Json:
    """nnU-Net's dataset_fingerprint.json."""
    return {
        "spacings": [one.spacing_zyx_mm.tolist() for one in facts],
        "shapes_after_crop": [one.cropped_zyx.tolist() for one in facts],
        "foreground_intensity_properties_per_channel": {str(i): dict(p) for i, p in enumerate(data.intensities)},
        "median_relative_size_after_cropping": 1.0,
    }


def _write_json(content: object, path: Path) -> None:
    with staged(path) as draft:
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
