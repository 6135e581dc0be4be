# SPDX-License-Identifier: Apache-2.0
"""Checkpoints written by `torch.save`, read without running anything that stands in them.

PyTorch's restricted unpickler makes tensors and plain values only. nnU-Net also stores its curves as numpy
scalars; these, and nothing else, are let in.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.inference.manifest import WeightsError
from petlesion.inference.networks import canonical_keys, check_shapes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

SCALARS = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
_scalar = np.float64().__reduce__()[0]  # the function that makes a numpy scalar; its module moved in numpy 2
NUMPY_SCALARS: tuple[Any, ...] = (
    (_scalar, "numpy._core.multiarray.scalar"),
    (_scalar, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in SCALARS),
)
PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")  # of distributed training and of torch.compile
ORGAN_HEAD = "organ_seg_layers"  # LesionTracer's and mesbah's auxiliary head: serves training only
WRAPPERS = ("network_weights", "state_dict", "model_state_dict")


@dataclass(frozen=True, slots=True)
class Training:
    """What an nnU-Net checkpoint says about its training.

    Attributes:
        trainer: Name of the trainer's class.
        configuration: Configuration of the plans.
        mirror_axes: Axes of the network's array that were mirrored; None where it is not said.
        epochs: Epochs done.
    """

    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...] | None
    epochs: int


def read_training(path: Path) -> Training:
    """What an nnU-Net checkpoint says about its training.

    Raises:
        WeightsError: When the file is no such checkpoint, or holds more than weights and plain values.
    """
    content = load_checkpoint(path)
    arguments, trainer = content.get("init_args"), content.get("trainer_name")
    if not isinstance(arguments, Mapping) or not isinstance(trainer, str) or "network_weights" not in content:
        raise WeightsError(
            f"{path}: a checkpoint of nnU-Net has network_weights, trainer_name and init_args; "
            f"this one has {sorted(map(str, content))[:20]}"
        )
    return Training(
        trainer=trainer,
        configuration=str(arguments.get("configuration", "3d_fullres")),
        mirror_axes=_mirror_axes(content, path),
        epochs=_whole(content.get("current_epoch", 0), "current_epoch", path),
    )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint: a state dict, or a mapping that holds one under a usual name.

    Raises:
        WeightsError: When there is none, or the file holds more than weights and plain values.
    """
    content = load_checkpoint(path)
    weights = next((content[name] for name in WRAPPERS if name in content), content)
    if not isinstance(weights, Mapping) or not weights:
        raise WeightsError(f"{path}: weights are a mapping from names to tensors; got {type(weights).__name__}")
    for key, tensor in weights.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"{path}: weights are tensors under names; {str(key)[:80]!r} is none")
    return dict(weights)


def canonical_weights(weights: Mapping[str, torch.Tensor], network: nn.Module, where: str) -> dict[str, torch.Tensor]:
    """A published state dict in the form in which weights are stored: each tensor of the network once.

    Prefixes of distributed training and of torch.compile are taken off, organ heads are dropped, and a layer
    that appears under several names (`decoder.encoder.*`, `all_modules.*`) is kept under the first.

    Args:
        weights: The published state dict.
        network: The network that it must fit, on any device.
        where: The file, for messages.

    Raises:
        WeightsError: When two names of one layer hold different weights, or a key is missing, unexpected or
            of another shape; names file and key.
    """
    names = canonical_keys(network)
    found: dict[str, torch.Tensor] = {}
    for key, tensor in weights.items():
        plain = PREFIXES.sub("", key)
        if ORGAN_HEAD in plain:
            continue
        name = names.get(plain, plain)
        if not _same(found.setdefault(name, tensor), tensor):
            raise WeightsError(f"{where}: {key} and {name} are one layer, but hold different weights")
    check_shapes(network, {key: tensor.shape for key, tensor in found.items()}, where)
    return found


def load_checkpoint(path: Path) -> Mapping[Any, Any]:
    """The content of a checkpoint, its tensors mapped from the file and not read before they are used.

    Raises:
        WeightsError: When it cannot be read, is no mapping, or holds more than weights and plain values.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise WeightsError(f"{path} must be a checkpoint of PyTorch 1.6 or later; it is missing or damaged")
    try:
        with torch.serialization.safe_globals(list(NUMPY_SCALARS)):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is refused: it holds more than weights and plain values, which could run code"
            f"{_refused(str(error))}; ask its authors for one without"
        ) from error
    except (RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path} cannot be read as a checkpoint ({error}); download it again") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: a checkpoint is a mapping; got {type(content).__name__}")
    return content


def _mirror_axes(content: Mapping[Any, Any], path: Path) -> tuple[int, ...] | None:
    """The axes that were mirrored: none for nnU-Net's None, and None where the checkpoint does not say."""
    key = "inference_allowed_mirroring_axes"
    if key not in content:
        return None
    axes = content[key] if content[key] is not None else ()
    if not isinstance(axes, list | tuple):
        raise WeightsError(f"{path}: {key} is a list of axes; got {type(axes).__name__}")
    return tuple(_whole(axis, key, path) for axis in axes)


def _whole(value: object, key: str, path: Path) -> int:
    """A whole number of a checkpoint."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise WeightsError(f"{path}: {key} holds whole numbers; got {str(value)[:80]!r}")
    return int(value)


def _refused(message: str) -> str:
    """The name that the restricted unpickler refused, from its message."""
    found = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", message)
    return f" ({found.group(1)})" if found else ""


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are one, or equal; most aliases share their memory."""
    return one.data_ptr() == other.data_ptr() or (one.shape == other.shape and torch.equal(one, other))
