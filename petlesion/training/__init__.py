# SPDX-License-Identifier: Apache-2.0
"""Training. Nothing of the inference path imports it."""
