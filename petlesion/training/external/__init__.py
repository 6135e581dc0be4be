# SPDX-License-Identifier: Apache-2.0
"""The folder that nnU-Net's `nnUNet_extTrainer` names. nnU-Net imports every module of it, so it holds one."""
