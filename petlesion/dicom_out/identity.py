# SPDX-License-Identifier: Apache-2.0
"""A series without what names its patient, so that objects made from it name nobody either."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from petlesion.dicom_out.series import SourceSeries

if TYPE_CHECKING:
    from pydicom import Dataset

# What objects copy from their source and what names a person or a place: emptied where the standard wants the attribute
# to be there (type 2), dropped elsewhere. UIDs and dates stay: without them the objects would belong to no series.
EMPTIED = ("PatientName", "PatientID", "PatientBirthDate", "StudyID", "AccessionNumber", "ReferringPhysicianName")
DROPPED = (
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientBirthTime",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientComments",
    "PatientSpeciesDescription",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "EthnicGroup",
    "Occupation",
    "AdditionalPatientHistory",
    "AdmissionID",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "OperatorsName",
    "PerformingPhysicianName",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "StudyDescription",
    "ReferencedStudySequence",
    "RequestAttributesSequence",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSponsorName",
    "ClinicalTrialSiteName",
)
METHOD = "Names, birth date and identifiers removed; UIDs and dates kept"


def without_identity(series: SourceSeries) -> SourceSeries:
    """The series' slices without name, birth date and identifiers of the patient, as copies."""
    return SourceSeries(tuple(_anonymous(one) for one in series.slices))


def mark_anonymous(made: Dataset) -> None:
    """Say in an object made from such slices that the patient's identity was removed."""
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = METHOD


def _anonymous(one: Dataset) -> Dataset:
    copy = deepcopy(one)
    for keyword in EMPTIED:
        setattr(copy, keyword, "")
    for keyword in DROPPED:
        if keyword in copy:
            delattr(copy, keyword)
    copy.remove_private_tags()
    return copy
