# SPDX-License-Identifier: Apache-2.0
"""petlesion: interactive tumour lesion segmentation in FDG and PSMA PET/CT. Research use only."""

__version__ = "0.1.0"
