# SPDX-License-Identifier: Apache-2.0
"""Where nnU-Net finds petlesion's trainers; they stand in `petlesion.training.trainers`."""

from petlesion.training.trainers import (
    PetlesionTrainerAlloula,
    PetlesionTrainerBaseline,
    PetlesionTrainerFDG,
    PetlesionTrainerLesionTracer,
    PetlesionTrainerPSMA,
)

__all__ = [
    "PetlesionTrainerAlloula",
    "PetlesionTrainerBaseline",
    "PetlesionTrainerFDG",
    "PetlesionTrainerLesionTracer",
    "PetlesionTrainerPSMA",
]
