# SPDX-License-Identifier: Apache-2.0
"""The commands of `petlesion`, one file each: SUMMARY, add_arguments(parser), run(arguments, started_s).

What a command works with is imported where it runs, so that `--help` is there at once.
"""
