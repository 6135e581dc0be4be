# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's trainer with what the recipes do otherwise, and nothing else.

nnU-Net finds these classes through its environment variable `nnUNet_extTrainer`, which names the folder `external`
beside this file. Otherwise than upstream, where the recipe says so: the schedule, the share of lesion patches, Dice
without smoothing, no mirroring, the organ head, the CT's misalignment, clicks drawn anew for every sample. Otherwise
for all: pretrained weights with another stem, checkpoints that are whole or not there, distributed training on CPUs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from petlesion.inference.checkpoints import read_weights
from petlesion.limits import UsageError
from petlesion.recipes import ALLOULA, BASELINE, LESION_TRACER, MESBAH
from petlesion.training.dataset import ORGANS
from petlesion.training.loaders import StudyDataset, StudyLoader
from petlesion.training.organ_decoder import LesionAndOrganLoss, OrganDecoder
from petlesion.training.pretrained import initial_state
from petlesion.training.redraw import training_chain, validation_chain
from petlesion.training.settings import TrainingSettings

if TYPE_CHECKING:
    from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform

    from petlesion.recipe import Recipe
    from petlesion.schedule import TrainingSchedule

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")  # as nnU-Net looks for them
CUDA = torch.device("cuda")


class PetlesionTrainer(nnUNetTrainer):  # type: ignore[misc]  # nnU-Net has no types
    """What all recipes and roles share; the signatures are nnU-Net's."""

    recipe: ClassVar[Recipe] = MESBAH
    role: ClassVar[str] = "fdg"
    is_ddp: bool
    network: Any

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = CUDA,
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        if device.type == "cpu":  # nnU-Net takes every distributed training for one on GPUs
            self.device, self.grad_scaler = device, None
        settings = TrainingSettings.load(Path(self.output_folder)) if self.output_folder else None
        self.settings = settings or TrainingSettings.of(self.schedule, self.role)
        self.num_epochs = self.settings.epochs
        self.num_iterations_per_epoch = self.settings.iterations
        self.num_val_iterations_per_epoch = self.settings.validation_iterations
        self.initial_lr = self.settings.initial_rate
        self.save_every = self.settings.save_every
        self.oversample_foreground_percent = self.schedule.lesion_share

    @property
    def schedule(self) -> TrainingSchedule:
        """The recipe's; epochs, iterations and rate are those of `settings`, network and batch those of the plans."""
        return self.recipe.nnunet_training

    @property
    def organs(self) -> list[str]:
        """Classes of the organ head; none where the data set has no organ maps."""
        return list(self.plans_manager.plans.get(ORGANS, ()))

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,  # noqa: ANN401 - nnU-Net's
        configuration_manager: Any,  # noqa: ANN401
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,  # noqa: FBT001, FBT002
    ) -> nn.Module:
        """nnU-Net's network of the plans, with an organ head where they name organs."""
        network: Any = nnUNetTrainer.build_network_architecture(
            plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
        )
        if organs := plans_manager.plans.get(ORGANS):
            network.decoder = OrganDecoder(network.decoder, len(organs))
        return cast("nn.Module", network)

    def initialize(self) -> None:
        """nnU-Net's, then what it does on GPUs only, and the pretrained weights where no checkpoint is there yet."""
        on_cpus = self.is_ddp and self.device.type == "cpu"
        self.is_ddp = self.is_ddp and not on_cpus
        super().initialize()
        if self.settings.checkpoint_activations:
            checkpoint_activations(self.bare_network)
        folder = Path(self.output_folder)
        if self.settings.pretrained and not any((folder / name).exists() for name in CHECKPOINTS):
            source = self.settings.pretrained
            state = initial_state(read_weights(Path(source)), self.bare_network, source)
            self.bare_network.load_state_dict(state, strict=False)
        if on_cpus:
            self.is_ddp = True
            self._set_batch_size_and_oversample()
            self.network = DistributedDataParallel(self.network)
            self.loss = self._build_loss()

    @property
    def bare_network(self) -> nn.Module:
        """The network without the wrappers of distributed training and of torch.compile."""
        network = getattr(self.network, "module", self.network)
        bare: nn.Module = getattr(network, "_orig_mod", network)
        return bare

    def _build_loss(self) -> nn.Module:
        """nnU-Net's loss with the recipe's Dice, and the organs' beside the lesion's at every resolution."""
        loss: Any = super()._build_loss()
        inner = loss.loss if self.enable_deep_supervision else loss
        lesion_dice = getattr(inner.dc, "_orig_mod", inner.dc)
        if not self.schedule.smooth_dice:
            lesion_dice.smooth = 0
        if self.organs:
            batch_dice = self.configuration_manager.batch_dice
            dice = {"batch_dice": batch_dice, "smooth": lesion_dice.smooth, "do_bg": False, "ddp": self.is_ddp}
            inner = LesionAndOrganLoss(inner, self.label_manager.num_segmentation_heads, dice)
        if self.enable_deep_supervision:
            loss.loss = inner
        else:
            loss = inner
        return cast("nn.Module", loss)

    def do_split(self) -> tuple[list[str], list[str]]:
        """nnU-Net's, but never one of its own: it knows no patients."""
        splits = Path(self.preprocessed_dataset_folder_base) / "splits_final.json"
        if not splits.exists():
            raise UsageError(f"folds are split by patient, by `petlesion prepare`; {splits} is missing")
        train, validation = super().do_split()
        return list(train), list(validation)

    def get_tr_and_val_datasets(self) -> tuple[StudyDataset, StudyDataset]:
        """Cases to train on, with organ maps where there are any, and cases to validate with, without."""
        train, validation = self.do_split()
        folder = self.preprocessed_dataset_folder
        return (
            StudyDataset(folder, train, with_organs=bool(self.organs)),
            StudyDataset(folder, validation, with_organs=False),
        )

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802
        """nnU-Net's choices; None, its word for no axis, where the recipe does not mirror."""
        rotation, dummy_2d, large_patch, axes = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        if not self.schedule.mirror:
            axes = self.inference_allowed_mirroring_axes = None
        return rotation, dummy_2d, large_patch, axes

    def get_dataloaders(self) -> tuple[Any, Any]:
        """nnU-Net's loaders and workers around this package's data sets and chains of transforms."""
        scales = self._get_deep_supervision_scales()
        rotation, dummy_2d, large_patch, mirror_axes = self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        patch = self.configuration_manager.patch_size
        if dummy_2d:
            raise UsageError(
                f"clicks are drawn in three dimensions; the patch {patch} is too flat for nnU-Net's rotations"
            )
        stock = self.get_training_transforms(patch, rotation, scales, mirror_axes, do_dummy_2d_data_aug=False)
        training = training_chain(stock, self.recipe.stages[-1], misalign=self.schedule.misalign)
        validation = validation_chain(self.get_validation_transforms(scales), self.recipe.stages[-1])
        cases, left_out = self.get_tr_and_val_datasets()
        workers = get_allowed_n_proc_DA()
        return (
            self._started(self._loader(cases, large_patch, training, 0), workers),
            self._started(self._loader(left_out, patch, validation, 1), (workers + 1) // 2),
        )

    def _loader(self, cases: StudyDataset, patch: Any, chain: BasicTransform, kind: int) -> StudyLoader:  # noqa: ANN401
        """A loader; `kind` keeps the random numbers of training (0) and validation (1) apart."""
        return StudyLoader(
            *(cases, self.batch_size, patch, self.configuration_manager.patch_size, self.label_manager),
            oversample_foreground_percent=self.oversample_foreground_percent,
            probabilistic_oversampling=self.probabilistic_oversampling,
            chain=chain,
            seed=(self.settings.seed, kind, self.local_rank, self.current_epoch, *str(self.fold).encode()),
        )

    def _started(self, loader: StudyLoader, workers: int) -> Any:  # noqa: ANN401 - one of batchgenerators' two
        """The loader in this process, or in workers; its first batch is drawn, so that a fault shows at once."""
        if workers == 0:
            source = SingleThreadedAugmenter(loader, None)
        else:
            source = NonDetMultiThreadedAugmenter(
                loader, None, workers, max(3, workers // 2), pin_memory=self.device.type == "cuda", wait_time=0.002
            )
        next(source)
        return source

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's, written beside its place and renamed: a kill leaves the one before."""
        path = Path(filename)
        part = path.with_suffix(".part")
        super().save_checkpoint(str(part))
        if self.local_rank == 0 and not self.disable_checkpointing:
            part.replace(path)


class PetlesionTrainerFDG(PetlesionTrainer):
    """mesbah's FDG role: 350 iterations an epoch."""

    role = "fdg"


class PetlesionTrainerPSMA(PetlesionTrainer):
    """mesbah's PSMA role: 250 iterations an epoch."""

    role = "psma"


class PetlesionTrainerLesionTracer(PetlesionTrainer):
    """lesion_tracer: both tracers, organs, and no clicks."""

    recipe, role = LESION_TRACER, "all"


class PetlesionTrainerAlloula(PetlesionTrainer):
    """alloula: nnU-Net's plain network, not mirrored."""

    recipe, role = ALLOULA, "all"


class PetlesionTrainerBaseline(PetlesionTrainer):
    """baseline: nnU-Net's plain network, with a channel for each kind of click."""

    recipe, role = BASELINE, "all"


def checkpoint_activations(network: Any) -> None:  # noqa: ANN401 - a U-Net of nnU-Net's
    """Let each stage of a U-Net keep its input alone for the backward pass, and compute the rest again."""
    stem = [network.encoder.stem] if hasattr(network.encoder, "stem") else []  # plain encoders have none
    for stage in (*stem, *network.encoder.stages, *network.decoder.stages):
        stage.forward = partial(checkpoint, stage.forward, use_reentrant=False)
