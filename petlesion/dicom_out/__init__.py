# SPDX-License-Identifier: Apache-2.0
"""A case's mask and measurements as DICOM objects that belong to the PET series they were made from."""
