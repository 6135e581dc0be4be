# SPDX-License-Identifier: Apache-2.0
"""A sample of the table of faults for the container.

python -m test.container.faults make DIR             a folder for each: its input, and the further options of its run
python -m test.container.faults check DIR/NN STATUS  whether its run, which wrote `output` and `log`, ended as it must
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import SimpleITK as sitk

from test.faults import cases, images
from test.faults.place import SLUG, Fault, Place

SIZE = 20


def sample() -> list[Fault]:
    """So many faults of input, of all groups; links would lead out of the folder that the container sees."""
    table = [
        fault for fault in images.FAULTS + cases.FAULTS if not re.search("link|lead|pipe|no input|UTF-8", fault.name)
    ]
    return [table[number * len(table) // SIZE] for number in range(SIZE)]


def make(folder: Path) -> None:
    """Write each case of the sample."""
    for number, fault in enumerate(sample()):
        place = Place.make(folder / f"{number:02}", Path())
        fault.spoil(place)
        (place.root / "options").write_text("".join(f"{word}\n" for word in fault.options))
        for path in (place.root, *place.input.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # the container's user is another


def check(folder: Path, status: int) -> str:
    """What is wrong with a run; nothing where it ended as it must."""
    fault = sample()[int(folder.name)]
    lines = (folder / "log").read_bytes().decode("utf-8").splitlines()
    said = "\n".join(lines) if status == 0 else lines[-1]
    files = sorted(path.relative_to(folder / "output").as_posix() for path in (folder / "output").rglob("*.*"))
    files = [name for name in files if (folder / "output" / name).is_file()]
    if status != fault.status:
        return f"the exit status must be {fault.status}; it is {status}"
    if "Traceback" in said or not re.search(fault.says, said):
        return f"{fault.says!r} must be said; it is: {said}"
    if status:
        return "" if not files else f"there must be no output; there is {files}"
    if len(files) != 2 or files[1] != "report.json" or not files[0].startswith(f"images/{SLUG}/"):
        return f"there must be one mask and its report; there is {files}"
    image = sitk.ReadImage(str(folder / "output" / files[0]))
    return "" if image.GetPixelID() == sitk.sitkUInt8 else "the mask must be uint8"


def main() -> None:
    """Make the cases, or check one."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        make(folder)
    elif fault := check(folder, int(sys.argv[3])):
        sys.exit(f"container: FAILED: {sample()[int(folder.name)].name}: {fault}")


if __name__ == "__main__":
    main()
