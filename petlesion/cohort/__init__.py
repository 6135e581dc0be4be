# SPDX-License-Identifier: Apache-2.0
"""Whole cohorts: cases are found, run by one or many workers, resumed by content, and told in two tables and a page."""
