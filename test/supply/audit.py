# SPDX-License-Identifier: Apache-2.0
"""The supply chain: what the environment holds, as a CycloneDX document, and what is known against its packages.

usage: audit.py [BILL OF MATERIALS]     (default: build/sbom.cdx.json)

The bill is that of the environment that runs this; the packages asked about are those of requirements.txt and
constraints.txt, the lock, and the torch that is installed. A known vulnerability fails the check, unless
test/supply/ignored.txt names it with a reason; where no service can be asked, it says so and passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ("requirements.txt", "constraints.txt")
IGNORED = ROOT / "test" / "supply" / "ignored.txt"
BILL = ROOT / "build" / "sbom.cdx.json"
NO_ANSWER_S = 120

Json = dict[str, Any]


def main(bill: Path = BILL) -> str:
    """Write the bill, ask about the lock; what there is to say. SystemExit where something is wrong."""
    components = write_bill(bill)
    lock = locked()
    if lacking := sorted(name for name in runtime() if name not in components):
        raise SystemExit(f"supply: the bill of materials lacks {', '.join(lacking)}: install requirements.txt")
    said = f"supply: {len(components)} components in {bill}; "
    return said + verdict(ask(lock), len(lock), ignored(IGNORED.read_text(encoding="utf-8")))


def write_bill(bill: Path) -> set[str]:
    """Write the environment's bill of materials; the canonical names in it."""
    bill.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON"]
    words += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(bill), sys.executable]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"supply: no bill of materials: {done.stderr.strip()[-500:]}")
    content = json.loads(bill.read_text(encoding="utf-8"))
    return {canonicalize_name(one["name"]) for one in content["components"]}


def locked() -> dict[str, str]:
    """Name and version of each package of the lock, and of the torch that is installed."""
    found = {"torch": metadata.version("torch").split("+")[0]}
    for name in LOCK:
        for one in requirements(name):
            if one.marker is None or one.marker.evaluate():
                pins = [pin.version for pin in one.specifier if pin.operator == "=="]
                found |= {canonicalize_name(one.name): version for version in pins if not version.endswith("*")}
    return found


def runtime() -> set[str]:
    """Canonical names of what the container installs."""
    return {canonicalize_name(one.name) for one in requirements("requirements.txt")}


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def ask(lock: dict[str, str]) -> Json | None:
    """The answer of pip-audit about the lock; None where no service answers."""
    with tempfile.TemporaryDirectory() as folder:
        listed, answer = Path(folder, "lock.txt"), Path(folder, "answer.json")
        listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(lock.items())))
        words = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        words += ["--vulnerability-service", "pypi", "--format", "json", "--output", str(answer), "--timeout", "10"]
        try:
            subprocess.run([*words, "--progress-spinner", "off"], capture_output=True, check=False, timeout=NO_ANSWER_S)
        except subprocess.TimeoutExpired:
            return None
        return json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None


def ignored(text: str) -> dict[str, str]:
    """Identifiers of vulnerabilities with the reason why each does not matter here: "ID reason" in a line."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line}
    if nameless := [name for name, reason in found.items() if not reason]:
        raise SystemExit(f"supply: {IGNORED.name} gives no reason for {', '.join(nameless)}")
    return found


def verdict(answer: Json | None, n_locked: int, accepted: dict[str, str]) -> str:
    """What an answer means for a lock of so many packages. SystemExit where a vulnerability is known.

    pip-audit itself says "no known vulnerabilities" also where its service knew not one of the packages.
    """
    packages = answer["dependencies"] if answer else []
    known = [one for one in packages if "skip_reason" not in one]
    if not known:
        return "skipped: no advisory service"
    against = [(one, fault) for one in known for fault in one["vulns"]]
    open_ones = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one, fault in against
        if not {fault["id"], *fault.get("aliases", ())} & accepted.keys()
    ]
    if open_ones:
        raise SystemExit("\n".join(["supply: FAILED: known vulnerabilities in the lock:", *open_ones]))
    unknown = n_locked - len(known)
    return f"{len(known)} packages asked about, {unknown} unknown to the service, {len(against)} accepted with a reason"


if __name__ == "__main__":
    sys.stdout.write(main(*map(Path, sys.argv[1:])) + "\n")
