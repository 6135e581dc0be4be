# SPDX-License-Identifier: Apache-2.0
"""The house rules that a reader relies on and no linter knows: who may import whom, how long things get."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "petlesion").rglob("*.py"))
PROGRAM = [*PACKAGE, ROOT / "process.py", *sorted((ROOT / "benchmarks").rglob("*.py"))]
EVERYTHING = [*PROGRAM, *sorted((ROOT / "test").rglob("*.py"))]

# A module may import from its own layer and from those that stand before it. A new module gets a place here.
LAYERS = (
    {"__init__", "digest", "document", "volume", "words", "clicks"},
    {"case", "components", "extent", "lesions", "limits", "termination", "drafts", "report_file", "images", "itk"}
    | {"listing", "metaimage", "layouts"},
    {"challenge", "postprocess", "metrics", "evaluate", "phantom", "simulate"}
    | {"click_file", "read_options", "sockets", "dicom", "fallback", "picture", "table", "scores", "summary"}
    | {"ranking", "chart", "scribbles"},
    {"recipe", "recipes", "schedule"},
    {"inference"},
    {"training"},
    {"result"},
    {"pipeline"},
    {"options", "progress", "report", "page", "dicom_out"},
    {"outcome", "entry", "desk", "calls", "server", "service", "library"},
    {"cohort"},
    {"review"},
    {"commands"},
    {"cli", "__main__", "process"},
)
TORCH_FREE = set().union(*LAYERS[:4])
NEVER_FOR_A_CASE = {
    "nnunetv2",
    "skimage",
    "pandas",
    "timm",
    "torchvision",
    "matplotlib",
    "monai",
    "sklearn",
    "batchgenerators",
    "pooch",
    "requests",
    "highdicom",
    "pydicom",
    "dask",
    "distributed",
    "tornado",
    "starlette",
    "uvicorn",
}
SPEAKERS = {"petlesion/cli.py", "process.py"}
LONGEST_MODULE, LONGEST_FUNCTION = 300, 40


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def nodes(path: Path, kind):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kind)]


def part_of(path: Path) -> str:
    """The name in LAYERS: the module's own, or that of the sub-package that it lies in."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "petlesion" else parts[0]


def layer_of(part: str) -> int:
    return next((number for number, layer in enumerate(LAYERS) if part in layer), -1)


def imported_parts(tree: ast.AST) -> set[str]:
    """The parts of petlesion that a module imports, anywhere in it, unless for the type checker only."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            found |= set().union(*(imported_parts(one) for one in node.orelse), set())
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "petlesion":
            found |= {alias.name for alias in node.names if layer_of(alias.name) >= 0} or {"__init__"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("petlesion."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("petlesion.")}
        found |= imported_parts(node)
    return found


def offences_of_direction(path: Path) -> list[str]:
    own = layer_of(part_of(path))
    return [
        f"{name_of(path)} imports petlesion.{part}"
        for part in sorted(imported_parts(tree_of(path)))
        if layer_of(part) > own
    ]


def modules_after(statement: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_module_has_its_layer():
    assert [name_of(path) for path in PACKAGE if layer_of(part_of(path)) < 0] == []


def test_imports_point_one_way():
    assert [offence for path in [*PACKAGE, ROOT / "process.py"] for offence in offences_of_direction(path)] == []


def test_imports_are_absolute():
    relative = [name_of(path) for path in PACKAGE for node in nodes(path, ast.ImportFrom) if node.level]
    assert relative == []


def test_an_import_against_the_direction_would_be_found():
    hidden = "def f():\n    from petlesion.pipeline import segment\n"
    assert imported_parts(ast.parse(hidden + "if TYPE_CHECKING:\n    import petlesion.entry\n")) == {"pipeline"}
    assert layer_of("pipeline") > layer_of("inference") > layer_of("recipes") > layer_of("case") > layer_of("volume")


def test_inference_never_imports_training():
    done = [path for path in PACKAGE if part_of(path) not in {"training", "commands", "cli", "__main__"}]
    assert [name_of(path) for path in done if "training" in imported_parts(tree_of(path))] == []


def test_the_vocabulary_imports_without_torch():
    names = [
        name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in PACKAGE
        if part_of(path) in TORCH_FREE
    ]
    assert len(names) > 10
    assert "torch" not in modules_after(f"import {', '.join(names)}")


def test_a_case_pays_for_no_import_that_it_does_not_need():
    assert modules_after("import process") & NEVER_FOR_A_CASE == set()


def test_the_help_of_the_command_line_is_there_at_once():
    assert modules_after("import petlesion.cli") & ({"torch"} | NEVER_FOR_A_CASE) == set()


def test_only_the_command_line_prints():
    calls = [(path, node.func) for path in PACKAGE for node in nodes(path, ast.Call)]
    printing = {name_of(path) for path, call in calls if isinstance(call, ast.Name) and call.id == "print"}
    assert {name for name in printing if not name.startswith("petlesion/commands/")} <= SPEAKERS


def test_no_assert_outside_the_tests():
    assert [name_of(path) for path in PROGRAM if nodes(path, ast.Assert)] == []


def test_no_state_in_the_environment_and_no_global_randomness():
    banned = {
        ("os", "environ"),
        ("os", "getenv"),
        ("os", "putenv"),
        ("random", "seed"),
        ("torch", "manual_seed"),
    }
    forking = {path for path in PACKAGE if "torch.random.fork_rng(" in path.read_text(encoding="utf-8")}
    used = {
        (name_of(path), f"{node.value.id}.{node.attr}")
        for path in PACKAGE
        for node in nodes(path, ast.Attribute)
        if isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in banned
        and not (node.attr == "manual_seed" and path in forking)  # undone at the end of the block
    }
    assert used == set()


def test_no_file_is_called_utils():
    assert [name_of(path) for path in EVERYTHING if path.stem in {"util", "utils", "helpers", "misc"}] == []


def test_modules_are_short():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE}
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function from its name to its end, the docstring apart."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    docstring = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_functions_are_short():
    long = {
        f"{name_of(path)}:{function.name}": body_lines(function)
        for path in [*PACKAGE, ROOT / "process.py"]
        for function in nodes(path, ast.FunctionDef)
        if body_lines(function) > LONGEST_FUNCTION
    }
    assert long == {}


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_each_file_names_its_licence(path):
    text = path.read_text(encoding="utf-8")
    # a folder of tests may hold an empty __init__.py
    assert not text or text.startswith("# SPDX-License-Identifier: Apache-2.0\n")


def test_tests_mirror_the_package():
    modules = {name_of(path).removeprefix("petlesion/") for path in PROGRAM} | {"process.py"}
    # These, and the tests in test/container, test/faults and test/review_page, stand for more than one module.
    own = {"architecture", "fuzz", "project", "parity", "platform", "real_studies", "recipes", "security"}
    own |= {"shipped_weights", "supply", "systems", "docs", "notebook", "privacy"}
    stray = [
        name_of(path)
        for path in sorted((ROOT / "test").rglob("test_*.py"))
        if path.stem.removeprefix("test_") not in own
        and path.parent.name not in {"container", "faults", "review_page"}
        and path.relative_to(ROOT / "test").with_name(path.name.removeprefix("test_")).as_posix() not in modules
    ]
    assert stray == []
