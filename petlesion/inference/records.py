# SPDX-License-Identifier: Apache-2.0
"""Published weights that `petlesion weights fetch` knows: where they are, under which licence, what they become."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from petlesion.limits import UsageError

API = "https://zenodo.org/api"
PREFIX = "10.5281/zenodo."


@dataclass(frozen=True, slots=True)
class Destination:
    """What a published model becomes in a store.

    Attributes:
        recipe: The recipe that uses it.
        role: Its role there.
        channels: Input channels in order, of "ct", "pet", "clicks".
        training_data: What it was trained on.
    """

    recipe: str
    role: str
    channels: tuple[str, ...]
    training_data: str


@dataclass(frozen=True, slots=True)
class PublishedRecord:
    """A record of weights in Zenodo.

    Attributes:
        doi: DOI of this version of the record.
        licence: SPDX identifier of the licence that we know it under; another is refused until a person accepts it.
        folder: A word in the path of the model's folder, which decides where the record holds several models.
        model: What it becomes in a store; None for a checkpoint that training begins with.
        md5: MD5 of the files that we know, by their names; a record that states another was changed.
    """

    doi: str
    licence: str
    folder: str
    model: Destination | None = None
    md5: tuple[tuple[str, str], ...] = ()

    @property
    def number(self) -> str:
        """The record's number, the last part of its DOI."""
        return self.doi.removeprefix(PREFIX)

    def at(self, place: str) -> PublishedRecord:
        """The same model in another record, such as a newer version; nothing is known of its files' MD5.

        Args:
            place: A number, or a DOI that begins with 10.5281/zenodo.

        Raises:
            UsageError: When it is neither.
        """
        number = place.removeprefix("doi:").removeprefix(PREFIX)
        if not re.fullmatch(r"[0-9]{1,12}", number):
            raise UsageError(f"a record is a number or a DOI such as {self.doi}; got {place[:80]!r}")
        return replace(self, doi=PREFIX + number, md5=())


RECORDS = {
    # Rokuss et al., arXiv:2409.09478: five folds of a residual encoder U-Net, channel 0 CT and 1 PET.
    "lesion_tracer": PublishedRecord(
        doi="10.5281/zenodo.14007247",
        licence="CC-BY-4.0",
        folder="Dataset222_AutoPETIII_2024",
        model=Destination("lesion_tracer", "all", ("ct", "pet"), "autoPET III: FDG and PSMA PET/CT"),
        md5=(("autoPET-3-LesionTracer.zip", "566016409b0bd14770c0b57c1f2873f1"),),
    ),
    # Ulrich et al., doi:10.1007/978-3-031-43898-1_6: what the networks above began with, beside others in one archive.
    "lesion_tracer_pretrained": PublishedRecord(
        doi="10.5281/zenodo.13753413", licence="CC-BY-4.0", folder="Dataset619_nativemultistem"
    ),
}
