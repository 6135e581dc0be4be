# SPDX-License-Identifier: Apache-2.0
"""DICOM in: the PET and CT series of a study found, stacked, and the PET turned into SUV by body weight.

No name, birth date or identifier of a patient is kept, logged or written by anything in here.
"""
