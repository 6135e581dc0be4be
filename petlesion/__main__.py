# SPDX-License-Identifier: Apache-2.0
"""`python -m petlesion`: the command line."""

import sys

from petlesion.cli import main

sys.exit(main())
