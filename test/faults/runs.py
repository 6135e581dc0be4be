# SPDX-License-Identifier: Apache-2.0
"""Weights, options and output folders that are missing, damaged or of somebody else."""

from __future__ import annotations

import json
import os
import shutil
import struct
from typing import TYPE_CHECKING, Any

from test.faults.images import CT, FINE, PET
from test.faults.place import NAME, SLUG, Fault, mha, sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from test.faults.place import Place

ROOT = ("--weights", "weights")  # the runner's own copy; a fault works on `place.weights`
FOLD = "mesbah/fdg/fold_0.safetensors"
NO_JSON = r"manifest\.json.*(no valid JSON|is no JSON|not UTF-8|nested too deeply|is too long|at most)"


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Place], object]:
    """The manifest, changed."""

    def spoil(place: Place) -> None:
        file = place.weights / "manifest.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return spoil


def model(**changes: object) -> Callable[[Place], object]:
    """The FDG model's entry with other fields; None takes one away."""

    def change(content: dict[str, Any]) -> None:
        entry = next(entry for entry in content["models"] if entry["role"] == "fdg")
        entry.update(changes)
        for key in [key for key, value in entry.items() if value is None]:
            del entry[key]

    return manifest(change)


def fold(**changes: object) -> Callable[[Place], object]:
    """The entry of its first fold with other fields."""
    return manifest(
        lambda content: next(e for e in content["models"] if e["role"] == "fdg")["folds"][0].update(changes)
    )


def text(content: bytes) -> Callable[[Place], object]:
    return lambda place: (place.weights / "manifest.json").write_bytes(content)


def content_of(change: Callable[[bytes], bytes], *, honest: bool = False) -> Callable[[Place], object]:
    """The first fold's file, changed; where `honest`, with its size and hash in the manifest."""

    def spoil(place: Place) -> None:
        import hashlib  # noqa: PLC0415

        file = place.weights / FOLD
        data = change(file.read_bytes())
        file.write_bytes(data)
        if honest:
            fold(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))(place)

    return spoil


def tensors(change: Callable[[dict[str, Any]], object]) -> Callable[[Place], object]:
    """The first fold's tensors, changed, with their size and hash in the manifest."""

    def rewrite(data: bytes) -> bytes:
        from safetensors import torch as safetensors  # noqa: PLC0415

        state = safetensors.load(data)
        change(state)
        return safetensors.save(state)

    return content_of(rewrite, honest=True)


def file_of(role: str, name: str, change: Callable[[bytes], bytes]) -> Callable[[Place], object]:
    def spoil(place: Place) -> None:
        file = place.weights / "mesbah" / role / name
        file.write_bytes(change(file.read_bytes()))

    return spoil


def plans(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Callable[[Place], object]:
    """plans.json of the FDG model, changed; `change` takes the plans and their configuration."""

    def rewrite(data: bytes) -> bytes:
        content = json.loads(data)
        change(content, content["configurations"]["3d_fullres"])
        return json.dumps(content).encode()

    return file_of("fdg", "plans.json", rewrite)


def first(state: dict[str, Any]) -> str:
    return min(state)


WEIGHTS = [
    Fault("no weights", lambda p: shutil.rmtree(p.weights), 4, r"weights need a manifest; tried .*manifest\.json"),
    Fault("no manifest", lambda p: (p.weights / "manifest.json").unlink(), 4, r"tried .*weights/manifest\.json"),
    Fault("an empty manifest", text(b""), 4, NO_JSON),
    Fault("a manifest cut short", text(b'{"format": 1, "models": ['), 4, NO_JSON),
    Fault("a manifest that is a list", text(b"[]"), 4, r"manifest\.json.* object is expected"),
    Fault("a manifest of another format", manifest(lambda c: c.update(format=2)), 4, r"the format must be 1; it is 2"),
    Fault("a manifest without models", manifest(lambda c: c.pop("models")), 4, r'"models" must be a list'),
    Fault("a manifest of no models", manifest(lambda c: c["models"].clear()), 4, r"holds nothing, not mesbah/fdg"),
    Fault("a manifest of deep nesting", text(b"[" * 100_000), 4, NO_JSON),
    Fault("a manifest of two megabytes", text(b" " * 2_000_000 + b"{}"), 4, NO_JSON),
    Fault("a manifest of bytes", text(b"\xff\xfe\x00{"), 4, NO_JSON),
    Fault(
        "a manifest that is a folder",
        lambda p: ((p.weights / "manifest.json").unlink(), (p.weights / "manifest.json").mkdir()),
        4,
        r"manifest\.json",
    ),
    Fault(
        "a model that is a text", manifest(lambda c: c["models"].append("fdg")), 4, r"models\[\d\].* object is expected"
    ),
    Fault("a model listed twice", manifest(lambda c: c["models"].append(c["models"][0])), 4, r"is listed 2 times"),
    Fault("a model of another system", model(system="ahamed"), 4, r"not mesbah/fdg"),
    Fault("a model of another role", model(role="all"), 4, r"not mesbah/fdg"),
    Fault(
        "a model with other channels", model(channels=["pet", "ct", "clicks"]), 4, r"mesbah/fdg must read the channels"
    ),
    Fault("a model without channels", model(channels=[]), 4, r"at least one input channel"),
    Fault("a model with a number for a channel", model(channels=[1, 2, 3]), 4, r'"channels" must be a list of str'),
    Fault("a model of an unknown architecture", model(architecture="bert"), 4, r"an architecture is one of"),
    Fault("a model without a licence", model(licence=None), 4, r'"licence" is missing'),
    Fault("a model without plans", model(plans=None), 4, r"needs \['plans'\]"),
    Fault("a model with mirror axes of four dimensions", model(mirror_axes=[3]), 4, r"mirror axes are of 0, 1, 2"),
    Fault("a model without folds", model(folds=[]), 4, r"mesbah/fdg"),
    Fault("a fold that climbs out", fold(file="../fold_0.safetensors"), 4, r"inside its folder"),
    Fault("a fold of an absolute path", fold(file="/etc/hostname"), 4, r"inside its folder"),
    Fault("a fold of a true number", fold(fold=True), 4, r'"fold" must be of type int'),
    Fault("a fold of a negative number", fold(fold=-1), 4, r"number is at least 0"),
    Fault("a fold of a short hash", fold(sha256="abc"), 4, r"a SHA-256 has 64 digits"),
    Fault("a fold of another hash", fold(sha256="0" * 64), 4, r"fold_0\.safetensors must have the SHA-256 0000"),
    Fault("a fold of another size", fold(bytes=7), 4, r"fold_0\.safetensors must have 7 bytes"),
    Fault(
        "a fold without its file", lambda p: (p.weights / FOLD).unlink(), 4, r"fold_0\.safetensors cannot be read: No"
    ),
    Fault("a fold that is empty", content_of(lambda _: b""), 4, r"fold_0\.safetensors must have \d+ bytes; it has 0"),
    Fault("a fold cut short", content_of(lambda data: data[:-9]), 4, r"fold_0\.safetensors must have \d+ bytes"),
    Fault("a fold with a flipped bit", content_of(lambda data: data[:-1] + bytes([data[-1] ^ 1])), 4, r"SHA-256"),
    Fault(
        "a fold that is a folder",
        lambda p: ((p.weights / FOLD).unlink(), (p.weights / FOLD).mkdir()),
        4,
        r"fold_0\.safetensors",
    ),
    Fault(
        "a pickle for a fold", content_of(lambda _: b"\x80\x04\x95\x00.", honest=True), 4, r"must be a safetensors file"
    ),
    Fault(
        "a safetensors header of exabytes",
        content_of(lambda _: struct.pack("<Q", 2**60) + b"{}", honest=True),
        4,
        r"must be a safetensors file",
    ),
    Fault(
        "a key that is missing",
        tensors(lambda state: state.pop(first(state))),
        4,
        r"fold_0\.safetensors.*(missing|lacks|keys)",
    ),
    Fault(
        "a key too many", tensors(lambda state: state.update(surplus=next(iter(state.values())).clone())), 4, r"surplus"
    ),
    Fault(
        "a tensor of another shape",
        tensors(lambda state: state.update({first(state): state[first(state)].repeat(2)})),
        4,
        r"fold_0\.safetensors",
    ),
    Fault(
        "a tensor of NaN",
        tensors(lambda state: state.update({first(state): state[first(state)] * float("nan")})),
        4,
        r"finite|NaN",
    ),
    Fault("plans that are missing", lambda p: (p.weights / "mesbah/fdg/plans.json").unlink(), 4, r"plans\.json"),
    Fault("plans that are empty", file_of("fdg", "plans.json", lambda _: b""), 4, r"plans\.json"),
    Fault("plans that are a list", file_of("fdg", "plans.json", lambda _: b"[]"), 4, r"plans\.json"),
    Fault(
        "plans without their configuration",
        plans(lambda content, _: content["configurations"].clear()),
        4,
        r"3d_fullres",
    ),
    Fault(
        "plans with a patch of nothing", plans(lambda _, c: c.update(patch_size=[0, 0, 0])), 4, r"'patch_size' must be"
    ),
    Fault(
        "plans of two dimensions",
        plans(lambda _, c: c.update(patch_size=[16, 16])),
        4,
        r"'patch_size' must be 3 numbers",
    ),
    Fault(
        "plans with a negative spacing",
        plans(lambda _, c: c.update(spacing=[8, -8, 8])),
        4,
        r"'spacing' must be positive",
    ),
    Fault(
        "plans of an unknown normalisation",
        plans(lambda _, c: c.update(normalization_schemes=["Magic"] * 3)),
        4,
        r"'normalization_schemes' has 'Magic'",
    ),
    Fault(
        "plans of an unknown resampling",
        plans(lambda _, c: c.update(resampling_fn_data="magic")),
        4,
        r"'resampling_fn_data' is 'magic'",
    ),
    Fault(
        "plans of axes that are none",
        plans(lambda p, _: p.update(transpose_forward=[0, 0, 1])),
        4,
        r"'transpose_forward' must be",
    ),
    Fault(
        "plans of an unknown network",
        plans(lambda _, c: c["architecture"].update(network_class_name="os.system")),
        4,
        r"os\.system",
    ),
    Fault(
        "a data set without channels",
        file_of("fdg", "dataset.json", lambda _: b'{"labels": {"background": 0}}'),
        4,
        r"channel_names",
    ),
    Fault(
        "a data set of regions",
        file_of("fdg", "dataset.json", lambda d: d.replace(b'"tumor": 1', b'"tumor": [1, 2]')),
        4,
        r"regions are not",
    ),
    Fault(
        "no weights for the tracer's network",
        manifest(lambda c: c.update(models=[m for m in c["models"] if m["role"] != "tracer"])),
        4,
        r"not mesbah/tracer",
        ("--tracer", "auto"),
    ),
    Fault("weights of another recipe", sound, 4, r"not lesion_tracer/all", ("--recipe", "lesion_tracer")),
]

USAGE = [
    Fault(f"the option {' '.join(words)!r}", sound, 2, says, words)
    for words, says in [
        (("--depth", "3"), r"argument --depth"),
        (("--depth", "deep"), r"argument --depth: voxels, published"),
        (("--tile-step", "0"), r"the tile step is a fraction"),
        (("--tile-step", "nan"), r"the tile step is a fraction"),
        (("--tile-step", "1.5"), r"the tile step is a fraction"),
        (("--folds", "x"), r"argument --folds"),
        (("--folds", ""), r"argument --folds"),
        (("--folds", "0,0"), r"folds are named once each"),
        (("--time-limit", "-1"), r"the time limit is a positive number"),
        (("--time-limit", "nan"), r"the time limit is a positive number"),
        (("--time-limit", "soon"), r"argument --time-limit"),
        (("--tracer", "FLT"), r"argument --tracer"),
        (("--recipe", "magic"), r"argument --recipe"),
        (("--device", "tpu"), r"argument --device"),
        (("--points", "inch"), r"argument --points"),
        (("--on-error", "panic"), r"argument --on-error"),
        (("--unknown",), r"unrecognized arguments: --unknown"),
        (("a word",), r"unrecognized arguments: a word"),
    ]
]
OPTIONS = [
    Fault("too little time", sound, 5, r"time ran out", ("--time-limit", "0.001")),
    Fault("endless time", sound, 0, FINE, ("--time-limit", "0")),
    Fault("infinite time", sound, 0, FINE, ("--time-limit", "inf")),
    Fault("a fold that is not there", sound, 4, r"\b7\b", ("--folds", "7")),
    Fault("a negative fold", sound, 4, r"-1", ("--folds=-1",)),
    Fault("a slug with a slash", sound, 6, r"a slug is of letters", ("--slug", "a/b")),
    Fault("a slug that climbs", sound, 6, r"a slug is of letters", ("--slug", "..")),
    Fault("a GPU where none is", sound, 0, r"no CUDA device is there; the CPU is used", ("--device", "cuda")),
    Fault(
        "a missing PET, with a mask at all costs", lambda p: p.pet.unlink(), 3, r"images/pet", ("--on-error", "mask")
    ),
    Fault(
        "a broken CT, with a mask at all costs",
        lambda p: p.ct.write_bytes(b""),
        0,
        r"fallback: PET threshold",
        ("--on-error", "mask"),
    ),
    Fault(
        "no weights, with a mask at all costs",
        lambda p: shutil.rmtree(p.weights),
        0,
        r"fallback: PET thr",
        ("--on-error", "mask"),
    ),
    Fault(
        "a PET in Bq/ml, with a mask at all costs",
        lambda p: p.pet.write_bytes(mha(PET * 5000)),
        0,
        r"fallback",
        ("--on-error", "mask"),
    ),
    Fault("no time, with a mask at all costs", sound, 0, r"fallback", ("--on-error", "mask", "--time-limit", "0.001")),
    Fault(
        "no clicks and no time, with a mask at all costs",
        lambda p: p.clicks.unlink(),
        0,
        r"fallback: empty mask",
        ("--on-error", "mask", "--time-limit", "0.001"),
    ),
    Fault(
        "a CT elsewhere, with a mask at all costs",
        lambda p: p.ct.write_bytes(mha(CT, Offset="0 0 5000")),
        0,
        r"fallback",
        ("--on-error", "mask"),
    ),
]


def file_for_output(place: Place) -> None:
    place.output.rmdir()
    place.output.write_text("a file")


def former(place: Place) -> None:
    """Masks of other runs, one of them of the same name, and a file that is no mask."""
    folder = place.output / "images" / SLUG
    folder.mkdir(parents=True)
    for name in ("other.mha", f"{NAME}.mha"):
        (folder / name).write_bytes(b"old")
    (place.output / "report.json").write_text("old")
    (place.output / "notes.txt").write_text("mine")


def folder_for_mask(place: Place) -> None:
    (place.output / "images" / SLUG / f"{NAME}.mha").mkdir(parents=True)


def full_folder_for_mask(place: Place) -> None:
    folder_for_mask(place)
    (place.output / "images" / SLUG / f"{NAME}.mha" / "file").touch()


def loop_for_output(place: Place) -> None:
    place.output.rmdir()
    place.output.symlink_to(place.output)


def link_for_output(place: Place) -> None:
    place.output.rename(place.root / "real")
    place.output.symlink_to(place.root / "real")


def left_by_a_kill(place: Place) -> None:
    folder = place.output / ".petlesion-killed"
    folder.mkdir()
    (folder / f"{NAME}.mha").write_bytes(os.urandom(99))


OUTPUTS = [
    Fault("an output that is not there", lambda p: p.output.rmdir(), 0, FINE),
    Fault("an output that is a file", file_for_output, 6, r"output folder must be writable; .*output is not for uid"),
    Fault("an output that is a link", link_for_output, 0, FINE),
    Fault("an output that is a link to itself", loop_for_output, 6, r"output folder must be writable"),
    Fault("an output without a parent", lambda p: shutil.rmtree(p.output), 0, FINE),
    Fault(
        "a file for the folder of images", lambda p: (p.output / "images").touch(), 6, r"output folder must be writable"
    ),
    Fault("masks of other runs", former, 0, r"will be removed: 8e1c-case\.mha, other\.mha", also=("notes.txt",)),
    Fault("masks of other runs, and a bad case", lambda p: (former(p), p.pet.unlink()), 3, r"images/pet"),
    Fault("a folder in the mask's place", folder_for_mask, 6, r"mask must be written whole"),
    Fault("a full folder in the mask's place", full_folder_for_mask, 6, r"mask must be written whole"),
    Fault(
        "a folder in the report's place", lambda p: (p.output / "report.json").mkdir(), 6, r"report\.json is a folder"
    ),
    Fault("what a killed run left", left_by_a_kill, 0, FINE),
    Fault("what a killed run left, and a bad case", lambda p: (left_by_a_kill(p), p.pet.unlink()), 3, r"images/pet"),
]

FAULTS = WEIGHTS + USAGE + OPTIONS + OUTPUTS
