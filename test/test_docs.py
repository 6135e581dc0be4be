# SPDX-License-Identifier: Apache-2.0
"""The documents are true: every command is executed on a tiny case, or at least parsed by its own parser.

A command is executed where its program is quick and all paths that it names are in the sandbox (`test/documents.py`).
The others (trainings, servers, downloads, paths of the reader's) are parsed, so that each of their options exists. One
that is in no list here fails.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import sys
import time
import warnings
from pathlib import Path
from unittest.mock import patch

import pytest

from petlesion import cli, entry
from petlesion.inference.weights import ModelStore
from test.documents import (
    BLOCKS,
    COMMANDS,
    INPUTS,
    OUTPUTS,
    PAGES,
    PLACEHOLDERS,
    ROOT,
    SHELL,
    SNIPPETS,
    Block,
    Command,
    commands_of,
    make_sandbox,
)

EXECUTED = {
    *("segment", "report", "export-dicom", "phantom", "clicks", "evaluate", "rank", "picture", "table"),
    *("weights import", "weights verify", "weights list", "process.py"),
}
PARSED = {
    "serve": "a server that stays",
    "review": "a server that stays; its own tests start it",
    "batch": "many cases in processes of their own; its own tests run it",
    "prepare": "data sets of the reader's",
    "train": "hours, at full size",
    "weights fetch": "downloads 4 GB",
    "systems": "half a minute for networks at full size; its own tests run it",
}
# Programs of others, of which nothing here knows the options.
FOREIGN = {"pip", "curl", "docker", "dask", "sbatch", "srun", "kubectl", "npm", "npx"}
RUN_WORDS = ("--depth", "1", "--device", "cpu", "--folds", "0")  # for the commands that segment
LANGUAGES = {*SHELL, "python", "text", "json", "yaml", "csv", "toml", "html", "dockerfile"}
OTHERS_OPTIONS = {
    "--array",
    "--network",
    "--rm",
    "--mount",
    "--no-deps",
    "--gpus",
    "--nanny",
    "--nthreads",
    "--memory-limit",
    "--raw",
}  # of SLURM, docker, gdcm, Dask


class Parsed(Exception):  # noqa: N818 - no error
    """Raised in the place of what follows the parsing; holds the parser and what it found."""


def parse(function, *arguments):
    """Parser and namespace of a program that is stopped once it has parsed its words."""
    original = argparse.ArgumentParser.parse_args

    def stop(self, *args, **kwargs):
        raise Parsed(self, original(self, *args, **kwargs))

    with patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            function(*arguments)
        except Parsed as found:
            return found.args
        except SystemExit:
            pytest.fail("the program does not take these words")
    return pytest.fail("the program parses nothing")


def parse_module(name, words):
    with patch.object(sys, "argv", [name, *words]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)  # another test has imported it
        return parse(lambda: runpy.run_module(name, run_name="__main__"))


def run_process(words):
    return entry.main(words, started_s=time.monotonic())


def normal(command):
    """The program by one name, whatever way it is called, and its words with placeholders filled in."""
    program, words = command.program, [PLACEHOLDERS.get(word, word) for word in command.words]
    if program in {"python", "python3", ".venv/bin/python"} and words[:1] == ["-m"]:
        program, words = words[1], words[2:]
    elif program in {"python", "python3", ".venv/bin/python"}:
        program, words = words[0], words[1:]
    return program.removeprefix(".venv/bin/"), words


def verb_of(words):
    return " ".join(words[:2]) if words[0] == "weights" else words[0]


def placeholders_left(parser, namespace):
    """Values that are no file of the sandbox: paths that it does not know, and words such as UID."""
    found = []
    for value in vars(namespace).values():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Path) and str(one) not in INPUTS | OUTPUTS and one not in defaults(parser):
                found.append(str(one))
            if isinstance(one, str) and one in metavars(parser):
                found.append(one)
    return found


def actions(parser):
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from actions(one)


def metavars(parser):
    return {action.metavar for action in actions(parser)} - {"COMMAND", "VERB"}


def defaults(parser):
    return {action.default for action in actions(parser) if isinstance(action.default, Path)}


def script(command):
    """A script of the repository: it is there, can be executed, and knows the variables that are set for it."""
    path = ROOT / command.program
    assert os.access(path, os.X_OK), f"{command.program} is no program of the repository"
    text = path.read_text(encoding="utf-8") + (ROOT / "environment.sh").read_text(encoding="utf-8")
    assert [word for word in command.variables if word.split("=")[0] not in text] == []


def treat(command):
    """Execute a command in the working folder, or parse it; which of the two."""
    program, words = normal(command)
    if program in {"petlesion", "process.py"}:
        return treat_ours(program, words)
    if program.startswith(("benchmarks.", "test.")):
        parse_module(program, words)
    elif program == "docker" and "petlesion" in words:
        parse(run_process, words[words.index("petlesion") + 1 :])
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in words if not word.startswith("-"))
    elif program not in FOREIGN:
        script(command)
    return "parsed"


def treat_ours(program, words):
    main, verb = (cli.main, verb_of(words)) if program == "petlesion" else (run_process, program)
    parser, found = parse(main, words)
    assert verb in EXECUTED or verb in PARSED, f"petlesion {verb} is neither executed nor left to be parsed"
    if verb not in EXECUTED or placeholders_left(parser, found):
        return "parsed"
    assert main([*words, *(RUN_WORDS if verb in {"segment", program} else ())]) == 0
    return "executed"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make_sandbox(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def _sandbox(prepared, tmp_path, monkeypatch):
    """A fresh copy of the sandbox as working folder, in which the toy weights are those found by default."""
    folder = shutil.copytree(prepared, tmp_path / "sandbox")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(ModelStore.open.__func__, "__defaults__", (None, (folder / "my_weights",)))
    return folder


TREATED = {}


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_does_what_the_document_says(command, capsys):
    TREATED[str(command)] = treat(command)
    capsys.readouterr()


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_a_snippet_runs(block):
    """One that names a place of the reader's, which the sandbox lacks, is compiled and its imports are run."""
    text = "\n".join(block.lines)
    if set(re.findall(r"\"([A-Z_]{3,})\"", text)) - INPUTS - OUTPUTS:
        compile(text, str(block), "exec")
        text = "\n".join(line for line in block.lines if line.startswith(("from ", "import ")))
    exec(compile(text, str(block), "exec"), {})  # noqa: S102 - our own text


def test_what_can_run_here_was_executed():
    """So that a slip in a name does not turn every command into one that is only parsed."""
    if len(TREATED) < len(COMMANDS):
        pytest.skip("only with all commands")
    ran = {verb_of(normal(one)[1]) for one in COMMANDS if TREATED[str(one)] == "executed" and "petlesion" in str(one)}
    assert EXECUTED - ran <= {"process.py", "picture", "table", "weights list"}
    assert "executed" in {TREATED[str(one)] for one in COMMANDS if "process.py" in str(one)}


# --- the check itself can fail ----------------------------------------------------------------------------------------


def command(*lines):
    (found,) = commands_of(Block(ROOT / "README.md", 1, "", lines))
    return found


def test_commands_are_read_as_a_shell_reads_them():
    found = command("A_B=c petlesion train [--epochs 3] \\", "   --out 'a b'   # why")
    assert found == Command("README.md:1", ("A_B=c",), "petlesion", ("train", "--epochs", "3", "--out", "a b"))
    block = Block(ROOT / "README.md", 7, "console", ("$ petlesion table r.json", "number  volume", "", "$ ./test.sh"))
    assert [(one.place, one.program) for one in commands_of(block)] == [
        ("README.md:7", "petlesion"),
        ("README.md:10", "./test.sh"),
    ]


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize(
    "line",
    [
        "petlesion segment --ct CT --pet PET --out MASK --colour red",
        "petlesion segment --ct CT",
        "petlesion dance",
        "petlesion train --role fdg --fold 0 --recipe nobody --data A --out B",
        "python process.py --inptu IN",
        "python -m benchmarks.kills --deaths 3",
        "docker run --rm petlesion --shout",
        "lesionpet segment",
        "./no_such.sh",
        "NOBODYS_VARIABLE=1 ./build.sh",
        "pytest test/nowhere",
    ],
)
def test_a_wrong_command_is_found(line, capsys):
    with pytest.raises((AssertionError, pytest.fail.Exception, OSError)):
        treat(command(line))
    capsys.readouterr()


@pytest.mark.usefixtures("_sandbox")
def test_a_path_that_the_sandbox_lacks_is_parsed_only():
    assert treat(command("petlesion segment --ct CT --pet ELSEWHERE.mha --out MASK")) == "parsed"
    assert treat(command("petlesion segment --dicom STUDY --out MASK --pet-series UID")) == "parsed"


def test_blocks_are_of_languages_that_are_known():
    assert {str(block): block.language for block in BLOCKS if block.language not in LANGUAGES} == {}


# --- links, options, the index ----------------------------------------------------------------------------------------


def prose(page):
    """A page without its fenced blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page):
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


@pytest.fixture(scope="module")
def sources():
    files = [*(ROOT / "petlesion").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), *ROOT.glob("*.sh")]
    files += [ROOT / "process.py", *(ROOT / "test").rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.name != "test_docs.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_the_prose_names_are_there(page, sources):
    """An option within the text, such as `--weight-kg`, stands in the source of some program."""
    named = {
        one for code in re.findall(r"`([^`]+)`", prose(page)) for one in re.findall(r"(?<!\S)--[a-z][a-z-]+", code)
    }
    known = {name for name in named if f'"{name}"' in sources or f'"{name.replace("--no-", "--", 1)}"' in sources}
    assert named - known - OTHERS_OPTIONS == set()


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [path.name for path in sorted((ROOT / "docs").iterdir()) if path.suffix in {".md", ".ipynb"}]
    assert [name for name in pages if f"({name})" not in index and name != "README.md"] == []
    assert "(docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
