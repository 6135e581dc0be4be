# SPDX-License-Identifier: Apache-2.0
"""One case through stock nnU-Net, as a process of its own: the other side of `benchmarks.speed`.

    python -m benchmarks.stock_nnunet --input DIR --model FOLDER --out MASK.mha --folds 0,1 --step F --flips N

The clicks' Gaussians are drawn over the whole volume, as the published containers draw them; everything else is
`nnUNetPredictor`, called as its `predict_single_npy_array` calls itself. The last line printed is a JSON of seconds,
the one before it of the GPU's memory.
"""

from __future__ import annotations

import time

STARTED_S = time.perf_counter()  # imports are part of a cold start

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from contextlib import contextmanager, redirect_stdout  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402

from benchmarks.with_gpu_memory import gpu_memory  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

AXES_OF_FLIPS = {1: (), 2: (2,), 4: (1, 2), 8: (0, 1, 2)}
SECONDS: dict[str, float] = {}


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Add the seconds inside to those of `step`."""
    begun = time.perf_counter()
    yield
    SECONDS[step] = round(SECONDS.get(step, 0.0) + time.perf_counter() - begun, 2)


def heatmap(pet: NDArray[np.float32], clicks: dict[str, list[list[int]]]) -> NDArray[np.float32]:
    """Tumour minus background, each click's Gaussian over the whole volume."""
    tumor = np.zeros_like(pet)
    for x, y, z in clicks["tumor"]:
        bump = np.zeros_like(pet)
        bump[z, y, x] = 1
        bump = gaussian_filter(bump, 3)
        bump[pet < min(pet[z, y, x], 3.0)] = 0
        tumor += bump / bump.max()
    np.minimum(tumor, 1, out=tumor)
    background = np.zeros_like(pet)
    for x, y, z in clicks["background"]:
        background[z, y, x] = 1
    background = gaussian_filter(background, 6)
    background[tumor > 0] = 0
    return tumor - background / max(background.max(), np.finfo(np.float32).tiny)


def read(folder: Path) -> tuple[Any, NDArray[np.float32]]:
    """The PET's image, and CT, PET and clicks as (3, Z, Y, X)."""
    images = [sitk.ReadImage(str(next((folder / "images" / kind).iterdir()))) for kind in ("ct", "pet")]
    ct, pet = (sitk.GetArrayFromImage(image).astype(np.float32) for image in images)
    points: dict[str, list[list[int]]] = {"tumor": [], "background": []}
    for point in json.loads((folder / "lesion-clicks.json").read_text(encoding="utf-8"))["points"]:
        points[point["name"]].append([round(i) for i in point["point"]])
    with timed("heatmap"):
        guidance = heatmap(pet, points)
    return images[1], np.stack([ct, pet, guidance])


def segment(image: NDArray[np.float32], spacing_zyx_mm: tuple[float, ...], options: argparse.Namespace) -> Any:  # noqa: ANN401
    """The mask of stock nnU-Net."""
    with timed("imports"):
        import torch  # noqa: PLC0415
        from nnunetv2.inference.data_iterators import PreprocessAdapterFromNpy  # noqa: PLC0415
        from nnunetv2.inference.export_prediction import (  # noqa: PLC0415
            convert_predicted_logits_to_segmentation_with_correct_shape as export,
        )
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415
    axes = AXES_OF_FLIPS[options.flips]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with timed("load"):
        predictor = nnUNetPredictor(
            tile_step_size=options.step,
            use_mirroring=bool(axes),
            device=device,
            perform_everything_on_device=True,
            allow_tqdm=False,
        )
        predictor.initialize_from_trained_model_folder(str(options.model), options.folds)
        predictor.allowed_mirroring_axes = axes
    managers = (predictor.plans_manager, predictor.dataset_json, predictor.configuration_manager)
    with timed("prepare"):
        case = next(PreprocessAdapterFromNpy([image], [None], [{"spacing": list(spacing_zyx_mm)}], [None], *managers))
    with timed("network"):
        logits = predictor.predict_logits_from_preprocessed_data(case["data"]).cpu()
    with timed("export"):
        return export(logits, managers[0], managers[2], predictor.label_manager, case["data_properties"])


def main() -> None:
    """Run the case and say how long each step took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=lambda text: tuple(map(int, text.split(","))), required=True)
    parser.add_argument("--step", type=float, required=True)
    parser.add_argument("--flips", type=int, choices=AXES_OF_FLIPS, default=1)
    options = parser.parse_args()
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, "unused")
    warnings.simplefilter("ignore")
    SECONDS["start"] = round(time.perf_counter() - STARTED_S, 2)
    with redirect_stdout(sys.stderr):
        with timed("read"):
            pet, image = read(options.input)
        mask = segment(image, pet.GetSpacing()[::-1], options)
        with timed("write"):
            written = sitk.GetImageFromArray(mask.astype(np.uint8))
            written.CopyInformation(pet)
            sitk.WriteImage(written, str(options.out), True)  # noqa: FBT003 - compressed; SimpleITK takes no keyword
    SECONDS["read"] = round(SECONDS["read"] - SECONDS["heatmap"], 2)
    print(json.dumps(gpu_memory()))
    print(json.dumps(SECONDS))


if __name__ == "__main__":
    main()
