# SPDX-License-Identifier: Apache-2.0
"""The report as one web page that needs nothing but itself: pictures, table, totals, how it came about."""
