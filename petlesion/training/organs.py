# SPDX-License-Identifier: Apache-2.0
"""Organ maps for the auxiliary head: which label of a map is which organ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from petlesion.phantom.organs import Organ
from petlesion.training.layouts import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

UNKNOWN = 100
"""The organ label of voxels of which nothing is known: cases without a map. It is left out of the loss."""

PHANTOM = {
    "brain": (Organ.BRAIN, Organ.WHITE_MATTER),
    "liver": (Organ.LIVER,),
    "kidneys": (Organ.KIDNEY, Organ.URINE),
    "bladder": (Organ.BLADDER,),
    "spleen": (Organ.SPLEEN,),
    "digestive system": (Organ.STOMACH, Organ.SMALL_BOWEL, Organ.DUODENUM, Organ.COLON, Organ.GALLBLADDER),
    "stomach": (Organ.STOMACH,),
    "pancreas": (Organ.PANCREAS,),
    "prostate": (Organ.PROSTATE,),
    "skeleton": (Organ.BONE, Organ.MARROW),
    "heart": (Organ.MYOCARDIUM,),
    "aorta": (Organ.BLOOD,),  # a phantom's blood: the large vessels, and the heart's chambers
    "lungs": (Organ.LUNG,),
    "parotid glands": (Organ.PAROTID,),
    "submandibular glands": (Organ.SUBMANDIBULAR,),
    "head glands": (Organ.PAROTID, Organ.SUBMANDIBULAR),
}
TOTALSEGMENTATOR = {  # of the task `total` of version 2; the glands belong to another task and have no label there
    "brain": (90,),
    "liver": (5,),
    "kidneys": (2, 3, 23, 24),
    "bladder": (21,),
    "spleen": (1,),
    "digestive system": (4, 6, 18, 19, 20),  # gallbladder, stomach, small bowel, duodenum, colon
    "stomach": (6,),
    "pancreas": (7,),
    "prostate": (22,),
    "skeleton": (*range(25, 51), *range(69, 79), *range(91, 117)),
    "heart": (51, 61),
    "aorta": (52,),
    "lungs": (10, 11, 12, 13, 14),
}
PUBLISHED = {  # of the organ maps that were published with LesionTracer for autoPET III
    "spleen": (1,),
    "kidneys": (2,),
    "liver": (3,),
    "bladder": (4,),
    "lungs": (5,),
    "brain": (6,),
    "heart": (7,),
    "stomach": (8,),
    "digestive system": (8,),  # of which the maps show the stomach alone
    "prostate": (9,),
    "head glands": (10,),
    "parotid glands": (10,),  # in one label with the submandibular glands
}
SCHEMES: dict[str, Mapping[str, tuple[int, ...]]] = {  # under the names of all recipes; each recipe takes its own
    "phantom": PHANTOM,
    "totalsegmentator": TOTALSEGMENTATOR,
    "published": PUBLISHED,
}


@dataclass(frozen=True, slots=True)
class OrganLabels:
    """What the labels of organ maps are.

    Attributes:
        organs: The recipe's organs that a map can show, in the order of the head's classes 1, 2, ...
        labels: The labels of each of them in the maps; all other labels are background.
    """

    organs: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]

    @classmethod
    def named(cls, scheme: str, organs: Sequence[str]) -> OrganLabels:
        """The labels of a known scheme (a key of `SCHEMES`), or of a JSON file {label: organ}.

        Args:
            scheme: Its name, or the file.
            organs: The recipe's. Those that a known scheme has no label for are left out; a file's own are taken.

        Raises:
            DataError: When it is neither.
        """
        if scheme in SCHEMES:
            held = {organ: SCHEMES[scheme][organ] for organ in organs if organ in SCHEMES[scheme]}
            return cls(tuple(held), tuple(tuple(map(int, labels)) for labels in held.values()))
        try:
            given = {int(label): str(organ) for label, organ in json.loads(Path(scheme).read_text("utf-8")).items()}
        except (OSError, ValueError, AttributeError) as error:
            raise DataError(
                f"organ labels are one of {', '.join(SCHEMES)}, or a JSON file {{label: organ}}; got {scheme}: {error}"
            ) from error
        own = tuple(dict.fromkeys(given.values()))
        return cls(own, tuple(tuple(label for label in given if given[label] == organ) for organ in own))

    def classes(self, map_zyx: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The head's classes of a map, (Z, Y, X): 0 is background, 1 the first organ, and so on."""
        labels = np.clip(np.asarray(map_zyx).astype(np.int64), 0, np.iinfo(np.uint16).max)
        table = np.zeros(np.iinfo(np.uint16).max + 1, np.uint8)
        for number, held in enumerate(self.labels, start=1):
            table[list(held)] = number
        return np.asarray(table[labels])
