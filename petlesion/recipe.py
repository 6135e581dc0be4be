# SPDX-License-Identifier: Apache-2.0
"""What a published system is: one frozen value for inference and training.

A `Recipe` holds choices only. What depends on trained weights (patch, spacing, normalisation, architecture) travels
with the weights, as nnU-Net's `plans.json` does, and is checked against the recipe when the weights are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from petlesion.limits import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from petlesion.case import Tracer
    from petlesion.postprocess import ComponentRule
    from petlesion.schedule import MonaiTraining, TrainingSchedule
    from petlesion.volume import Index, Triple


@dataclass(frozen=True, slots=True)
class HeatmapRule:
    """How clicks become guidance: one channel in [-1, 1], or a channel in [0, 1] for each kind of click.

    Attributes:
        sigma_tumor_voxels: Width of the Gaussian around a tumour click, in voxels of the PET grid.
        sigma_background_voxels: Width of the Gaussian around a background click, in voxels.
        suv_cut: T. A tumour click's Gaussian is zero where SUV < min(SUV at the click, T); minus infinity cuts nothing.
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
class TimedDepth:
    """Depth by the clock: the first fold runs plain and is timed, the others mirror as deep as the time left allows.

    Attributes:
        choices: Axes of the network's array (Z, Y, X) that may be mirrored together, the shallowest choice first.
    """

    choices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ChannelScaling:
    """x -> (clip(x, low, high) - shift) / scale, of a channel whose numbers do not come from the training data.

    Attributes:
        low: Lower bound of the clip.
        high: Upper bound of the clip.
        shift: Subtracted after the clip.
        scale: Divides what is left.
        nearest: Whether the channel is resampled by the nearest voxel, as masks are; else linearly.
    """

    low: float = float("-inf")
    high: float = float("inf")
    shift: float = 0.0
    scale: float = 1.0
    nearest: bool = False


@dataclass(frozen=True, slots=True)
class MonaiGrid:
    """What the networks of MONAI see: MONAI's axes are (x, y, z) of an anatomical orientation.

    Attributes:
        orientation: Where the three axes point, such as "RAS": right, anterior, superior.
        spacing_xyz_mm: Spacing of the networks' grid in mm.
        channels: One scaling for each input channel, in order.
        foreground_above_hu: Only the box around CT values above this is kept; None keeps everything.
    """

    orientation: str
    spacing_xyz_mm: Triple
    channels: tuple[ChannelScaling, ...]
    foreground_above_hu: float | None = None


@dataclass(frozen=True, slots=True)
class MonaiNetwork:
    """A network of MONAI.

    Attributes:
        name: Its class: "UNet", "DynUNet", "SegResNetDS" or "SwinUNETR".
        outputs: 1: the logit of the lesion; 2: background and lesion.
        patch_xyz: Window in voxels, in training and inference.
        arguments: Of its class, beside dimensions and channels.
    """

    name: str
    outputs: int
    patch_xyz: Index
    arguments: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Member:
    """One ensemble of folds: a role of the weights.

    Attributes:
        role: Its name in the weights' manifest, such as "fdg".
        tracer: The tracer that it serves; None for both.
        network: A network of MONAI; None where nnU-Net's plans describe the network.
        training: How a network of MONAI is trained; nnU-Net's networks follow `Recipe.training`.
    """

    role: str
    tracer: Tracer | None = None
    network: MonaiNetwork | None = None
    training: MonaiTraining | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One pass of networks over the case.

    Attributes:
        members: Ensembles. Those that serve a case's tracer are averaged, each as much as another.
        channels: Input channels in order, of "ct", "pet", "clicks" (tumour minus background), "tumor_clicks",
            "background_clicks" and "mask": the answer of the stage before.
        tile_step: Distance of neighbouring tiles as a fraction of the patch.
        heatmap: How clicks are drawn; None where no channel shows any.
        grid: What networks of MONAI see; None where nnU-Net's plans say it.
        window: Whose sliding window: nnU-Net spreads its tiles evenly and weights them by a Gaussian, MONAI steps by
            whole strides, the last tile against the end, and weights all alike.
        mean: What is averaged over folds and members: logits, or probabilities.
    """

    members: tuple[Member, ...]
    channels: tuple[str, ...]
    tile_step: float
    heatmap: HeatmapRule | None = None
    grid: MonaiGrid | None = None
    window: Literal["nnunet", "monai"] = "nnunet"
    mean: Literal["logit", "probability"] = "logit"

    def serving(self, tracer: Tracer | None) -> tuple[Member, ...]:
        """The members that serve a tracer; all of them where the tracer is not known."""
        return tuple(one for one in self.members if tracer is None or one.tracer in {None, tracer})


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published system, for inference and training.

    Attributes:
        name: Name on the command line and in the weights' manifest.
        title: One line for tables.
        citation: The paper.
        stages: Passes of networks, in order; the last one's mask is the answer.
        depth: The depth of test-time mirroring: by the clock, or rows in ascending order, of which the first whose
            bound exceeds the voxel count is taken; no rows mirror nothing.
        post: Component rules, applied in order.
        time_limit_s: Seconds a case may take where it was published.
        body_crop: Whether only the body's box is swept, unless the user says otherwise.
        deviations: Where this recipe knowingly departs from its paper or its released code.
        training: The full-size training schedule of nnU-Net's networks; None where `Member.training` has it.
    """

    name: str
    title: str
    citation: str
    stages: tuple[Stage, ...]
    depth: TimedDepth | tuple[DepthRow, ...]
    post: tuple[ComponentRule, ...]
    time_limit_s: float
    body_crop: bool
    deviations: tuple[str, ...]
    training: TrainingSchedule | None = None

    @property
    def nnunet_training(self) -> TrainingSchedule:
        """How nnU-Net trains this system's networks.

        Raises:
            UsageError: When its networks are MONAI's.
        """
        if self.training is None:
            raise UsageError(f"{self.name} is made of MONAI's networks; nnU-Net does not train them")
        return self.training

    @property
    def routes_by_tracer(self) -> bool:
        """Whether the tracer decides which networks a case meets."""
        return any(member.tracer is not None for stage in self.stages for member in stage.members)

    def members(self, tracer: Tracer | None = None) -> tuple[Member, ...]:
        """The members of all stages that serve a tracer; all of them where it is not known."""
        return tuple(member for stage in self.stages for member in stage.serving(tracer))

    def placed(self, role: str) -> tuple[Stage, Member]:
        """A member by its role, with its stage.

        Raises:
            UsageError: When the recipe has no such role; names those that it has.
        """
        for stage in self.stages:
            for member in stage.members:
                if member.role == role:
                    return stage, member
        roles = ", ".join(member.role for member in self.members())
        raise UsageError(f"{self.name} has the roles {roles}, not {role[:80]!r}; choose among them")
