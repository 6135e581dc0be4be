# SPDX-License-Identifier: Apache-2.0
"""From an admitted case to logits on the PET grid: one file for each line of `pipeline.segment`."""
