# SPDX-License-Identifier: Apache-2.0
"""Synthetic PET/CT: a patient, what takes up tracer, lesions of known volume and SUV, and a scanner that sees them."""

from petlesion.phantom.study import STUDY_DIRECTION, Phantom, PhantomLesion, default_grid, make_phantom

__all__ = ["STUDY_DIRECTION", "Phantom", "PhantomLesion", "default_grid", "make_phantom"]
