# SPDX-License-Identifier: Apache-2.0
"""What a published system is: one frozen value for inference and training.

A `Recipe` holds choices only. What depends on trained weights (patch, spacing, normalisation, architecture) travels
with the weights, as nnU-Net's `plans.json` does, and is checked against the recipe when the weights are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petlesion.case import Tracer
    from petlesion.postprocess import ComponentRule
    from petlesion.volume import Index, Triple


@dataclass(frozen=True, slots=True)
class HeatmapRule:
    """How clicks become one guidance channel in [-1, 1].

    Attributes:
        sigma_tumor_voxels: Width of the Gaussian around a tumour click, in voxels of the PET grid.
        sigma_background_voxels: Width of the Gaussian around a background click, in voxels.
        suv_cut: T. A tumour click's Gaussian is zero where SUV < min(SUV at the click, T).
        background_only_sign: -1 as the paper defines; +1 repeats the released code where only background was clicked.
        spare_clicked_voxels: As released: background is kept on the clicked voxels themselves.
    """

    sigma_tumor_voxels: float = 3.0
    sigma_background_voxels: float = 6.0
    suv_cut: float = 3.0
    background_only_sign: int = -1
    spare_clicked_voxels: bool = False


@dataclass(frozen=True, slots=True)
class DepthRow:
    """One row of the depth table: below so many voxels, mirror along these axes of the network's array (Z, Y, X)."""

    below_voxels: float
    mirror_axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One pass of networks over the case.

    Attributes:
        roles: The weights' role for each tracer, such as {FDG: "fdg"}; both tracers may name the same role.
        channels: Input channels in order, of "ct", "pet", "clicks".
        tile_step: Distance of neighbouring tiles as a fraction of the patch.
        heatmap: How the "clicks" channel is drawn; None where there is none.
    """

    roles: tuple[tuple[Tracer, str], ...]
    channels: tuple[str, ...]
    tile_step: float
    heatmap: HeatmapRule | None = None

    def role(self, tracer: Tracer) -> str:
        """The weights' role that serves `tracer`."""
        return dict(self.roles)[tracer]


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """A residual-encoder U-Net and the grid that it sees; nnU-Net's preset ResEnc L for whole-body PET/CT by default.

    Attributes:
        features: Channels of each stage, from the full resolution downwards; each stage halves the one before.
        blocks: Residual blocks of each stage of the encoder; the decoder has one convolution a stage.
        patch_zyx: Patch in voxels; every edge is a multiple of 2 to the power of the halvings.
        spacing_zyx_mm: Spacing of the network's grid in mm.
    """

    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
    blocks: tuple[int, ...] = (1, 3, 4, 6, 6, 6)
    patch_zyx: Index = (192, 192, 192)
    spacing_zyx_mm: Triple = (3.0, 2.0364201068878174, 2.0364201068878174)

    def __post_init__(self) -> None:
        step = 2 ** (len(self.features) - 1)
        if len(self.features) != len(self.blocks) or len(self.features) < 2:
            raise ValueError(f"a U-Net has features and blocks for each stage, two at least; got {self}")
        if any(edge < step or edge % step for edge in self.patch_zyx):
            raise ValueError(f"with {len(self.features)} stages a patch's edges are multiples of {step}; got {self}")


@dataclass(frozen=True, slots=True)
class TrainingSchedule:
    """How the full-size networks are trained; `dataclasses.replace` makes a smaller one.

    Attributes:
        epochs: Number of epochs.
        iterations: Iterations of an epoch for each role.
        batch_size: Patches of a step.
        initial_rate: Learning rate at the start of the polynomial decay.
        organs: Labels of the auxiliary organ head, background apart.
        network: The network and its grid.
    """

    epochs: int
    iterations: tuple[tuple[str, int], ...]
    batch_size: int
    initial_rate: float
    organs: tuple[str, ...]
    network: NetworkSize = NetworkSize()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published system, for inference and training.

    Attributes:
        name: Name on the command line and in the weights' manifest.
        title: One line for tables.
        citation: The paper.
        stages: Passes of networks, in order; the last one's mask is the answer.
        depth_table: Rows in ascending order; the first whose bound exceeds the voxel count is taken.
        post: Component rules, applied in order.
        time_limit_s: Seconds a case may take where it was published.
        body_crop: Whether only the body's box is swept, unless the user says otherwise.
        training: The full-size training schedule.
        deviations: Where this recipe knowingly departs from its paper or its released code.
    """

    name: str
    title: str
    citation: str
    stages: tuple[Stage, ...]
    depth_table: tuple[DepthRow, ...]
    post: tuple[ComponentRule, ...]
    time_limit_s: float
    body_crop: bool
    training: TrainingSchedule
    deviations: tuple[str, ...]
