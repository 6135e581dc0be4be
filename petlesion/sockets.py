# SPDX-License-Identifier: Apache-2.0
"""The sockets of the Grand-Challenge platform that a case comes through, and where they lie.

A case is a folder with `images/ct/<uuid>.mha`, `images/pet/<uuid>.mha` and `lesion-clicks.json`. Newer phases
add `inputs.json`: where it is there, it says where the sockets lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from petlesion.case import CaseError
from petlesion.click_file import is_there
from petlesion.images import image_suffix, printable, reason, shown
from petlesion.listing import LISTING, Listing, Socket

CT = Socket("CT", ("ct", "ct-image"), "images/ct")
PET = Socket("PET", ("pet", "pet-image"), "images/pet")
CLICKS = Socket("clicks", ("lesion-clicks", "tumor-lesion-clicks"), "lesion-clicks.json")


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """Where the sockets of one case lie: two folders with one image or DICOM image set each, and the file of clicks."""

    ct_dir: Path
    pet_dir: Path
    clicks: Path


def find_files(input_dir: Path) -> CaseFiles:
    """Where the sockets lie: as `inputs.json` says, else at their fixed paths.

    Raises:
        CaseError: When `inputs.json` is broken or lacks CT or PET.
    """
    if not is_there(input_dir / LISTING):
        return fixed_files(input_dir)
    listing = Listing.read(input_dir / LISTING)
    clicks = listing.find(CLICKS) or input_dir / CLICKS.path
    return CaseFiles(listing.find_needed(CT), listing.find_needed(PET), clicks)


def one_image(folder: Path, what: str) -> Path:
    """The one image in a socket's folder; hidden files and files of other kinds do not count.

    Raises:
        CaseError: When there is none, or more than one.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except (OSError, ValueError) as error:
        raise CaseError(
            f"the {what} lies alone in its folder; {shown(folder)} cannot be read: {reason(error)}"
        ) from None
    images = [name for name in names if image_suffix(Path(name))]
    if len(images) != 1:
        found = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"
        raise CaseError(
            f"the {what} lies alone in its folder; {shown(folder)} holds {len(images) or 'no'} images: "
            f"{printable(found)}; leave exactly one there"
        )
    return folder / images[0]


def fixed_files(input_dir: Path) -> CaseFiles:
    """Where the sockets lie without `inputs.json`."""
    return CaseFiles(input_dir / CT.path, input_dir / PET.path, input_dir / CLICKS.path)
