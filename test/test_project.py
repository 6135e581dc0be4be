# SPDX-License-Identifier: Apache-2.0
"""The project's own files: what they must say, and what they must say alike."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = (
    "build.sh",
    "demo.sh",
    "export.sh",
    "test.sh",
    ".ci/run",
    "test/container/check.sh",
    "test/container/unwritable.sh",
)
# dynamic-network-architectures names it; its U-Nets do without (see the head of requirements.txt)
LEFT_OUT = {"timm"}


def requirements(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    return {canonicalize_name(one.name): one for one in found}


def test_requirements_are_closed_so_that_no_deps_installs_all_of_them():
    wanted = requirements("requirements.txt")
    needed = {
        canonicalize_name(need.name)
        for name in wanted
        if name != "torch"  # whatever torch needs came with the torch that is there
        for need in map(Requirement, metadata.requires(name) or ())
        if need.marker is None or need.marker.evaluate({"extra": ""})
    }
    assert needed - wanted.keys() - LEFT_OUT == set()


def test_the_networks_import_without_what_was_left_out():
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(LEFT_OUT | {'torchvision'})}))\n"
        "import dynamic_network_architectures.architectures.unet"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("version", ["2.8.0", "2.8.0+cu126", "2.13.0+cpu", "2.14.1"])
def test_the_torch_of_a_base_image_or_a_cpu_build_serves(version):
    assert Version(version) in requirements("requirements.txt")["torch"].specifier


@pytest.mark.parametrize("version", ["2.7.1", "2.9.0", "2.9.1+cu128", "3.0.0"])
def test_other_torches_do_not(version):
    assert Version(version) not in requirements("requirements.txt")["torch"].specifier


def test_everything_but_torch_is_pinned_and_the_lists_agree():
    pinned = requirements("requirements.txt") | requirements("requirements-dev.txt")
    pinned.pop("torch")
    tested = requirements("constraints.txt")
    assert {name: str(one.specifier) for name, one in pinned.items()} == {
        name: str(tested[name].specifier) for name in pinned
    }
    assert all(str(one.specifier).startswith("==") for one in pinned.values())
    assert {"torch", "torchvision"} & tested.keys() == set()  # constraints.txt says why


def test_the_version_is_the_same_wherever_it_is_written():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == version
    assert re.search(r"^## \[(\d.+?)\]", changelog, re.MULTILINE)[1] == version


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_and_parse(name):
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


def environment_in(folder, variables, what="environment runtime"):
    """Run functions of environment.sh as if `folder` were the project's root."""
    shutil.copy(ROOT / "environment.sh", folder)
    command = ["bash", "-euo", "pipefail", "-c", f". {folder}/environment.sh; {what}"]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, check=False)


def test_without_a_usable_python_the_remedy_is_named(tmp_path):
    done = environment_in(tmp_path, {"PYTHON": "/bin/false"})
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_is_installed_is_stale_once_its_requirements_change(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "requirements.txt").write_text("numpy==1")
    asked = "is_installed runtime requirements.txt"
    assert environment_in(tmp_path, {}, asked).returncode == 1
    assert environment_in(tmp_path, {}, f"mark_installed runtime requirements.txt; {asked}").returncode == 0
    (tmp_path / "requirements.txt").write_text("numpy==2")
    assert environment_in(tmp_path, {}, asked).returncode == 1


def test_the_demo_explains_itself():
    done = subprocess.run([str(ROOT / "demo.sh"), "--help"], capture_output=True, text=True, check=True)
    assert "./demo.sh CT PET [CLICKS]" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value"), [("ON_ERROR", "shrug"), ("API_METHOD", "push")], ids=["on-error", "api-method"]
)
def test_build_refuses_what_the_image_would_only_refuse_at_the_first_case(variable, value):
    environment = os.environ | {variable: value}
    done = subprocess.run([str(ROOT / "build.sh")], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert value in done.stderr


def dockerfile():
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_starts_process_py_without_a_shell():
    assert re.findall(r"^ENTRYPOINT (.*)$", dockerfile(), re.MULTILINE) == ['["python", "/opt/app/process.py"]']
    assert not re.search(r"^CMD ", dockerfile(), re.MULTILINE)


def test_the_image_has_a_tagged_base_and_a_user():
    base = re.search(r"^ARG BASE_IMAGE=(.+)$", dockerfile(), re.MULTILINE)[1]
    assert re.fullmatch(r"pytorch/pytorch:[\d.]+-cuda12\.\d+-cudnn\d+-runtime", base)
    assert re.findall(r"^USER (.*)$", dockerfile(), re.MULTILINE) == ["petlesion"]


def test_what_the_image_copies_is_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word.removeprefix("./")
        for line in re.findall(r"^COPY (.*)$", dockerfile(), re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert copied == allowed
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []
