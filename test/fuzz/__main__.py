# SPDX-License-Identifier: Apache-2.0
"""Fuzz one parser, guided by the coverage of its code: python -m test.fuzz TARGET [OPTIONS OF LIBFUZZER]

For ten minutes, with what is kept as the beginning: python -m test.fuzz clicks -max_total_time=600
New inputs go to the first folder among the options, or to a temporary one; findings to the working folder. It needs
atheris, which requirements-dev.txt asks for where there is a build of it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["petlesion"]):
    from test.fuzz.targets import CORPUS, TARGETS

ODD = (None, True, False, 0, -1, 1, 2.5, 1e308, 2**40, "", "a", "../a", [], {}, [0], [[[]]], {"a": 1}, [1] * 70)


def main(arguments: list[str]) -> None:
    """Run libFuzzer; it ends the process."""
    if not arguments or arguments[0] not in TARGETS:
        raise SystemExit(f"{__doc__}\nTargets: {', '.join(TARGETS)}")
    name, *options = arguments
    # libFuzzer writes into the first folder, and what is kept is for people to choose.
    scratch = [] if any(not one.startswith("-") for one in options) else [tempfile.mkdtemp(prefix="petlesion-fuzz-")]
    atheris.Setup([sys.argv[0], *options, *scratch, str(CORPUS / name)], TARGETS[name], custom_mutator=mutate)
    atheris.Fuzz()


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Bytes as libFuzzer changes them or, of JSON and every other time, with one value in another's place."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    try:
        document = json.loads(data) if seed % 2 else None
    except (ValueError, RecursionError):
        document = None
    places = list(_places(document))
    if not places:
        return atheris.Mutate(data, max_size)
    held, key = chance.choice(places)
    other, other_key = chance.choice(places)
    held[key] = json.loads(json.dumps(chance.choice([*ODD, other[other_key]])))
    return json.dumps(document).encode()[:max_size]


def _places(value: object):
    """Every (object or list, key) of a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


if __name__ == "__main__":
    main(sys.argv[1:])
