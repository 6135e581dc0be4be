# SPDX-License-Identifier: Apache-2.0
"""What a review leaves behind: the mask on the screen, the clicks, the reports and, of a case from DICOM, objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petlesion.clicks import clicks_to_json
from petlesion.desk import FileDesk
from petlesion.images import OutputError, reason, shown
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.page.folder import PAGE, REPORT, TABLE
from petlesion.report import lesion_figures
from petlesion.report_file import write_report
from petlesion.review.session import clicks_of

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.case import Admission
    from petlesion.lesions import Lesion
    from petlesion.review.session import Snapshot
    from petlesion.review.source import Source

MASK, CLICKS = "mask.nii.gz", "lesion-clicks.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a review is saved.

    Attributes:
        path: The folder; it is made.
        source: Where the case came from.
        anonymise: Leave the patient's name, birth date and identifiers out of DICOM objects.
    """

    path: Path
    source: Source
    anonymise: bool = False

    @property
    def desk(self) -> FileDesk:
        """Takes mask and reports."""
        return FileDesk(self.path, self.path, None, self.path / MASK, None, self.path)

    def check(self) -> None:
        """Make the folder and see, before any work, that it can be written.

        Raises:
            OutputError: When it cannot.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"a review is saved into a folder; {shown(self.path)} is none: {reason(error)}") from None
        self.desk.check()

    def save(self, snapshot: Snapshot, admission: Admission) -> tuple[str, ...]:
        """Write everything, each file whole or not at all; the files' names.

        Lesions are measured and numbered anew, on the mask as it is on the screen.

        Raises:
            OutputError: When a file cannot be written.
            SeriesError: When DICOM objects cannot refer to the case's PET; the other files are there.
        """
        case = admission.case
        mask = LesionMask.of(snapshot.shown.unpacked(), case.grid)
        lesions = measure_lesions(mask, case.pet_suv)
        report = report_of_review(snapshot, lesions)
        self.desk.write(mask, case.name, report, case)
        write_report(clicks_to_json(clicks_of(snapshot.clicks)), self.path / CLICKS)
        names = (MASK, CLICKS, REPORT, TABLE, PAGE)
        uid = admission.origin.get("pet_series")
        return names if uid is None else (*names, *self._objects(uid, mask, lesions, snapshot))

    def _objects(self, uid: str, mask: LesionMask, lesions: tuple[Lesion, ...], snapshot: Snapshot) -> tuple[str, ...]:
        from petlesion.dicom_out.author import Author  # noqa: PLC0415 - other cases do without highdicom
        from petlesion.dicom_out.export import ExportOptions, objects_of, write_objects  # noqa: PLC0415

        guided = bool(snapshot.clicks) or not all(snapshot.kept)
        options = ExportOptions(Author(str(snapshot.answer.report["recipe"]), guided), anonymise=self.anonymise)
        objects = objects_of(self.source.series(uid), mask, lesions, options)
        return tuple(path.name for path in write_objects(objects, self.path))


def report_of_review(snapshot: Snapshot, lesions: tuple[Lesion, ...]) -> dict[str, Any]:
    """The report of the run behind a mask, with the mask's own lesions and what the user did."""
    report, removed = snapshot.answer.report, snapshot.kept.count(False)
    text = f"{removed} lesion{'s' if removed > 1 else ''} of the networks' mask removed by hand in the review"
    warnings = [*report["warnings"], *([text] if removed else [])]
    review = {"clicks": len(snapshot.clicks), "removed_lesions": removed}
    return report | {"warnings": warnings, "review": review} | lesion_figures(lesions)
