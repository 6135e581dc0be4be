# SPDX-License-Identifier: Apache-2.0
"""Networks that are ready for inference: built from plans, filled with verified weights, one output channel.

Modules are built on the meta device, which has shapes but no numbers, so that no initialisation is paid for.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from petlesion.inference.architectures import NetworkError, network_from_plans
from petlesion.inference.cpu_layers import quicken
from petlesion.inference.lean_unet import slim
from petlesion.inference.manifest import WeightsError
from petlesion.inference.monai_networks import LesionLogit, monai_network
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.tracer import MipCnn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from petlesion.inference.manifest import ModelEntry
    from petlesion.inference.weights import ModelStore

__all__ = [
    "NetworkError",
    "average",
    "canonical_keys",
    "canonical_state",
    "check_models",
    "check_shapes",
    "count_parameters",
    "fill",
    "fuse_binary_head",
    "load_network",
    "meta_monai_network",
    "meta_network",
    "network_from_plans",
    "network_of",
    "parameter_types",
]

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)  # noqa: SLF001 - the common base has no public name


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers of a network; one that appears under two names counts once."""
    return sum(parameter.numel() for parameter in network.parameters())


def canonical_keys(network: nn.Module) -> dict[str, str]:
    """For each key of the network's state dict, the first key under which the same tensor appears.

    The U-Nets hold some layers under several names (`decoder.encoder.*`, `all_modules.*`); weights are stored
    once.
    """
    first: dict[int, str] = {}
    return {key: first.setdefault(id(tensor), key) for key, tensor in network.state_dict(keep_vars=True).items()}


def canonical_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The network's weights, each once, under its canonical key: what `write_model` takes."""
    first = canonical_keys(network)
    return {key: tensor for key, tensor in network.state_dict().items() if first[key] == key}


def check_shapes(network: nn.Module, shapes: Mapping[str, Sequence[int]], where: str) -> None:
    """Refuse weights that are not exactly those of the network.

    Args:
        network: The network, on any device.
        shapes: The shape of each weight under its canonical key.
        where: The file they come from, for messages.

    Raises:
        WeightsError: Names the file and the first keys that are missing, unexpected or of another shape.
    """
    _compare(_shapes_of(network), shapes, where)


def _shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of each weight under its canonical key."""
    tensors = network.state_dict(keep_vars=True)
    return {key: tuple(tensors[key].shape) for key in set(canonical_keys(network).values())}


def _compare(expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, Sequence[int]], where: str) -> None:
    """See `check_shapes`."""
    if missing := sorted(expected.keys() - shapes.keys()):
        raise WeightsError(f"{where}: {len(missing)} of the network's keys are missing: {_some(missing)}")
    if unexpected := sorted(shapes.keys() - expected.keys()):
        raise WeightsError(f"{where}: {len(unexpected)} keys are not of the network: {_some(unexpected)}")
    for key, shape in sorted(expected.items()):
        if tuple(shapes[key]) != shape:
            raise WeightsError(f"{where}: {key} must have the shape {shape}; it has {tuple(shapes[key])}")


def parameter_types(network: nn.Module, device: torch.device, *, half: bool = True) -> dict[str, torch.dtype]:
    """In which type each tensor of the network is kept on a device.

    All are fp32 on the CPU. On CUDA the weights of convolutions become fp16, which is what autocast would make of
    them at every pass, and those of norms stay fp32. Counters stay what they are. Without `half` all stay fp32: the
    attention of a transformer adds weights that autocast does not convert.
    """
    norms = {name for name, module in network.named_modules(remove_duplicate=False) if isinstance(module, NORMS)}
    types = {}
    for key, tensor in network.state_dict(keep_vars=True).items():
        small = half and device.type == "cuda" and key.rpartition(".")[0] not in norms
        kind = torch.float16 if small else torch.float32
        types[key] = kind if tensor.is_floating_point() else tensor.dtype
    return types


def fill(
    network: nn.Module, state: Mapping[str, torch.Tensor], device: torch.device, where: str, *, half: bool = True
) -> nn.Module:
    """Give a network (built on the meta device) its weights, without copying what needs no copy.

    Returns:
        The same module, on `device`, of `parameter_types`, in evaluation mode, without gradients.

    Raises:
        WeightsError: When the weights are not exactly those of the network.
    """
    check_shapes(network, {key: tensor.shape for key, tensor in state.items()}, where)
    types = parameter_types(network, device, half=half)
    placed = {key: tensor.to(device, types[key]) for key, tensor in state.items()}
    network.load_state_dict(placed, strict=False, assign=True)  # checked above; names of the same layer are left out
    return network.eval().requires_grad_(requires_grad=False)


def fuse_binary_head(network: nn.Module) -> nn.Module:
    """Let a two-class network give one channel: the tumour's logit minus the background's.

    Everything after the head is linear, and of two classes the tumour wins where the difference is positive;
    so the difference of the two rows of the last layer gives the same mask, exact up to rounding, for half
    the memory. The heads of the lower resolutions, which serve training only, are dropped.

    Args:
        network: A U-Net of this module with deep supervision off. It is changed.

    Returns:
        The same module, now (B, C, Z, Y, X) -> (B, 1, Z, Y, X).

    Raises:
        NetworkError: When it is no such U-Net, has deep supervision, or not two classes.
    """
    decoder: Any = getattr(network, "decoder", None)
    heads = getattr(decoder, "seg_layers", None)
    if not isinstance(heads, nn.ModuleList) or len(heads) == 0 or decoder.deep_supervision:
        raise NetworkError(
            f"the head to fuse is that of a U-Net without deep supervision; got {type(network).__name__}"
        )
    head: Any = heads[-1]
    if head.out_channels != 2 or any(size != 1 for size in head.kernel_size):
        raise NetworkError(
            "one channel stands for two classes and a head of size 1; "
            f"got {head.out_channels} of size {head.kernel_size}"
        )
    fused = type(head)(head.in_channels, 1, 1, bias=head.bias is not None, device="meta")
    fused.weight = _difference(head.weight)
    if head.bias is not None:
        fused.bias = _difference(head.bias)
    decoder.seg_layers = nn.ModuleList([fused])
    return network.train(network.training)


def load_network(store: ModelStore, entry: ModelEntry, fold: int, device: torch.device) -> nn.Module:
    """A fold of a segmentation model, ready for inference.

    Args:
        store: The weights.
        entry: A model of the store with architecture "nnunet" or "monai".
        fold: Number of the fold.
        device: Where it runs; use it under `torch.autocast("cuda", torch.float16)` where that is CUDA.

    Returns:
        A module (1, C, Z, Y, X) -> (1, 1, Z, Y, X): the logit of the lesion. In evaluation mode.

    Raises:
        WeightsError: When the file is missing or damaged, or not exactly what the plans describe.
        NetworkError: When the plans cannot be built, or there are not two classes.
    """
    state, where = store.load(entry, fold), str(store.root / entry.fold(fold).file)
    network = network_of(store, entry)
    if entry.architecture == "monai":
        return quicken(LesionLogit(fill(network, state, device, where, half=False)).eval())
    return slim(fuse_binary_head(fill(network, state, device, where)))


def average(networks: Sequence[nn.Module]) -> nn.Module:
    """A network whose weights are the mean of those of others of its kind, which stay as they are.

    A mean of weights is a sensible network only where training brought them from one beginning into one valley.
    """
    mean = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    summed = {key: sum(state[key].float() for state in states[1:]) + states[0][key].float() for key in states[0]}
    mean.load_state_dict({key: total / len(states) for key, total in summed.items()})
    return mean


def network_of(store: ModelStore, entry: ModelEntry) -> nn.Module:
    """The network of a model of the store, without numbers.

    Raises:
        WeightsError: When its plans are missing or cannot be used.
    """
    match entry.architecture:
        case "nnunet":
            return meta_network(store.plans(entry), store.dataset(entry), entry)
        case "monai":
            return meta_monai_network(MonaiPlans.parse(store.plans(entry)), entry)
        case "mip_cnn":
            return _meta_mip_cnn()


def meta_monai_network(plans: MonaiPlans, entry: ModelEntry) -> nn.Module:
    """The network of a MONAI model, without numbers.

    Raises:
        NetworkError: When it cannot be built, or the plans have other channels than the entry.
    """
    if plans.n_channels != len(entry.channels):
        raise NetworkError(
            f"{entry.name}: plans must have the {len(entry.channels)} channels {list(entry.channels)}; they have "
            f"{plans.n_channels}"
        )
    with torch.device("meta"):
        return monai_network(plans.network, plans.n_channels)


def meta_network(plans: Mapping[str, Any], dataset: Mapping[str, Any], entry: ModelEntry) -> nn.Module:
    """The network of an nnU-Net model, without numbers.

    Raises:
        NetworkError: When plans or labels cannot be used, or the data set has other channels than the entry.
    """
    labels, names = dataset.get("labels"), dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(labels, dict) or any(isinstance(value, list) for value in labels.values()):
        raise NetworkError(f"{entry.name}: dataset.json must list plain labels, not regions; got {str(labels)[:200]}")
    if not isinstance(names, dict) or len(names) != len(entry.channels):
        raise NetworkError(
            f"{entry.name}: dataset.json must name {len(entry.channels)} channels; got {str(names)[:200]}"
        )
    with torch.device("meta"):
        return network_from_plans(plans, entry.configuration, len(names), len(labels.keys() - {"ignore"}))


def check_models(store: ModelStore, entries: Sequence[ModelEntry] | None = None) -> None:
    """Refuse a store with a file missing, or a fold that is not exactly the network of its plans.

    Of `entries` alone, where they are given: a run checks what it needs, and imports MONAI for MONAI's networks only.

    Only the heads of the files are read, so that a container can do this at every start; the SHA-256 is checked when
    a fold is loaded, or by `ModelStore.verify`.

    Raises:
        WeightsError: Names the file and the key.
    """
    for entry in store.entries if entries is None else entries:
        expected = _shapes_of(network_of(store, entry))
        for fold in entry.folds:
            _compare(expected, store.shapes(entry, fold.fold), str(store.root / fold.file))


def _meta_mip_cnn() -> nn.Module:
    with torch.device("meta"):
        return MipCnn()


def _difference(rows: torch.Tensor) -> nn.Parameter:
    """Second row minus first, computed in fp32 and kept in the rows' own type."""
    return nn.Parameter((rows[1:].float() - rows[:1].float()).to(rows.dtype), requires_grad=False)


def _some(keys: Sequence[str]) -> str:
    """At most the first five of the keys."""
    return ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
