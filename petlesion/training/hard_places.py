# SPDX-License-Identifier: Apache-2.0
"""Places where a network has called much a lesion that is none: patches are drawn there again until it has learned.

Most of a body is easy. Of patches drawn anywhere few teach a network that already trains well, and those that do
(heart, bowel, bladder) come by rarely; here they come back as long as they are mistaken (online hard example mining,
Shrivastava et al., CVPR 2016, with a memory in the place of larger batches).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Place = tuple[int, tuple[int, int, int]]
"""Number of a case, and the first voxel (z, y, x) of a patch of it."""


@dataclass(slots=True)
class HardPlaces:
    """The places with the largest errors of late.

    Attributes:
        most: Places that are kept.
        errors: Of each of them, what was wrongly called lesion when it was last seen, in voxels.
    """

    most: int = 256
    errors: dict[Place, float] = field(default_factory=dict)

    def tell(self, place: Place, error: float) -> None:
        """Take in what was wrongly called at a place; of more than `most` places the easiest is forgotten."""
        self.errors[place] = error
        if len(self.errors) > self.most:
            del self.errors[min(self.errors, key=self.errors.__getitem__)]

    def draw(self, rng: np.random.Generator) -> Place | None:
        """One of them, each as likely as its error's square root; None as long as none is known that has any."""
        weights = [max(error, 0.0) ** 0.5 for error in self.errors.values()]
        total = sum(weights)
        if total <= 0:
            return None
        places = list(self.errors)
        return places[int(rng.choice(len(places), p=[weight / total for weight in weights]))]
