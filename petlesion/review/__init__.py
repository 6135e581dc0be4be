# SPDX-License-Identifier: Apache-2.0
"""The review page's server: one case, its clicks and its mask, for one person at this machine."""
