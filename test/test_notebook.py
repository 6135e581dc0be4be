# SPDX-License-Identifier: Apache-2.0
"""The notebook of docs/ runs from its first cell to its last, and is kept without its outputs."""

from __future__ import annotations

import warnings
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_valid_and_stripped(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}


def texts(cell):
    return "".join(one.get("text", "") or one.get("data", {}).get("text/plain", "") for one in cell.outputs)


def test_it_runs_and_a_click_finds_the_missed_lesion(notebook, tmp_path, monkeypatch):
    for name, value in (
        ("PYTHONPATH", str(ROOT)),
        ("TMPDIR", str(tmp_path)),
        ("IPYTHONDIR", str(tmp_path / "ipython")),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the kernel's client are not ours
        from nbclient import NotebookClient  # noqa: PLC0415

        client = NotebookClient(notebook.copy(), timeout=300, resources={"metadata": {"path": str(tmp_path)}})
        client.execute()
    cells = [cell for cell in client.nb.cells if cell.cell_type == "code"]
    said = "".join(map(texts, cells))
    assert "without the click, 100% with it" in said
    assert "['lesions.csv', 'report.html', 'report.json']" in said
    pictures = [one for cell in cells for one in cell.outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == 3
    assert [one for cell in cells for one in cell.outputs if one.get("name") == "stderr"] == []
