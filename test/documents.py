# SPDX-License-Identifier: Apache-2.0
"""The commands and snippets of the README and of docs/, and a folder in which they can run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from petlesion import cli
from petlesion.case import Tracer
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.networks import canonical_state
from petlesion.inference.tracer import MipCnn
from petlesion.inference.weights import write_model
from petlesion.itk import to_image
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.phantom.organs import Organ
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid
from test.dicom.objects import phantom_study
from test.inference.models import ENTRY, TRACER, checkpoint, toy_network, write_folder
from test.nnunet_reference import toy_dataset, toy_plans, toy_state

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = {"", "console", "bash", "sh", "shell"}
FENCE = re.compile(r" *```(\w*) *$")

# What a placeholder of the documents stands for. A command with another path is parsed, not executed.
PLACEHOLDERS = {"CT": "CT.nii.gz", "PET": "PET.nii.gz", "MASK": "mask.mha", "CLICKS": "lesion-clicks.json"}
INPUTS = {
    *("CT.nii.gz", "PET.nii.gz", "PET.mha", "lesion-clicks.json", "ORGANS.nii.gz"),
    *("mask.mha", "mask.nii.gz", "MASK.mha", "TRUTH.mha", "truth", "mine", "mine.json", "theirs.json", "report.json"),
    "reports/report.json",
    *("STUDY", "STUDY/PET", "PET_SERIES", "IN", "FOLDER", "my_weights"),
}
OUTPUTS = {"OUT", "reports", "objects", "clicks", "more.json", "mine.csv", "mine.png", "PHANTOM", "picture.png"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its file, the number of its first line, its language and its lines."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command: where it stands, the variables set before it, its program, and its other words."""

    place: str
    variables: tuple[str, ...]
    program: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place} {self.program} {' '.join(self.words[:2])}".strip()


def blocks_of(page: Path, text: str) -> list[Block]:
    """The fenced blocks of a page; one that is not closed is an error."""
    found, language, lines = [], None, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if not fence and language is not None:
            lines.append(line)
        elif fence and language is None:
            language, lines, first = fence[1], [], number + 1
        elif fence:
            found.append(Block(page, first, language, tuple(lines)))
            language = None
    assert language is None, f"{page.name}: a block is not closed"
    return found


def commands_of(block: Block) -> list[Command]:
    """The commands of a block in a shell's language: one a line; a backslash goes on with the next line.

    In a block with prompts ("$ ") the lines without are output. What is optional ("[--name CASE]") is taken as given.
    """
    prompted = any(line.startswith("$ ") for line in block.lines)
    found, held, first = [], "", 0
    for number, line in enumerate(block.lines, block.line):
        if prompted and not held and not line.startswith("$ "):
            continue
        first = first if held else number
        held += line.removeprefix("$ ")
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        place = f"{block.page.relative_to(ROOT).as_posix()}:{first}"
        words = shlex.split(held.replace("[", " ").replace("]", " "), comments=True)
        held = ""
        if words:
            variables = [word for word in words if re.match(r"[A-Z_]+=", word)]
            rest = words[len(variables) :]
            found.append(Command(place, tuple(variables), rest[0], tuple(rest[1:])))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page, page.read_text(encoding="utf-8"))]
COMMANDS = [one for block in BLOCKS if block.language in SHELL for one in commands_of(block)]
SNIPPETS = [block for block in BLOCKS if block.language == "python"]


def make_sandbox(folder: Path) -> Path:
    """A folder that holds all of INPUTS, tiny: a phantom as files, sockets and DICOM, its masks, scores and weights."""
    rng = np.random.default_rng(3)
    phantom = make_phantom(Tracer.FDG, rng, grid=Grid((20, 20, 20), (12.0, 12.0, 12.0)), n_lesions=2)
    clicks = simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=3, n_background=2)
    write_phantom(phantom, folder / "made", clicks)
    shutil.move(folder / "made/input", folder / "IN")
    shutil.copy(folder / "IN/lesion-clicks.json", folder)
    images = {"CT.nii.gz": phantom.ct_hu}
    images |= dict.fromkeys(("PET.nii.gz", "PET.mha"), phantom.pet_suv)
    images |= dict.fromkeys(("TRUTH.mha", "mask.mha", "mask.nii.gz", "truth/a.mha"), phantom.truth)
    images |= {"MASK.mha": phantom.truth.with_array(np.zeros_like(phantom.truth.array_zyx))}
    images |= {f"mine/step_{k:02}/a.mha": phantom.truth for k in range(11)}
    liver = np.where(phantom.organs.array_zyx >= Organ.LUNG, 3, 0).astype(np.uint8)
    images |= {"ORGANS.nii.gz": phantom.organs.with_array(liver)}
    for name, volume in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(to_image(volume), str(folder / name))
    phantom_study(folder / "STUDY", phantom)
    shutil.copytree(folder / "STUDY/S1", folder / "PET_SERIES")
    (folder / "STUDY/S1").rename(folder / "STUDY/PET")
    write_folder(folder / "FOLDER", {"fold_0/checkpoint_final.pth": checkpoint(toy_network().state_dict())})
    _write_weights(folder / "my_weights")
    for name in ("report.json", "reports/report.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"recipe": "mesbah"}))
    for name in ("mine.json", "theirs.json"):
        words = ("evaluate", "--truth", folder / "truth", "--pred", folder / "mine", "--steps", "--out", folder / name)
        assert cli.main([str(word) for word in words]) == 0
    return folder


def _write_weights(folder: Path) -> None:
    """One fold of mesbah's networks whose masks follow the PET, and of LesionTracer's of two channels; all tiny."""
    plans = toy_plans((32, 32, 32), (8.0, 8.0, 8.0))
    network = network_from_plans(plans, "3d_fullres", 3, 2)
    network.load_state_dict(toy_state(plans, seed=0))
    for role in ("fdg", "psma"):
        write_model(folder, replace(ENTRY, role=role), {0: canonical_state(network)}, plans, toy_dataset())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_model(folder, TRACER, {0: MipCnn().state_dict()})
        two = toy_plans((32, 32, 32), (8.0, 8.0, 8.0), schemes=("CTNormalization",) * 2, masks=(False,) * 2)
        network = network_from_plans(two, "3d_fullres", 2, 2)
    entry = replace(ENTRY, system="lesion_tracer", role="all", channels=("ct", "pet"))
    write_model(folder, entry, {0: canonical_state(network)}, two, toy_dataset(("CT", "PET")))
