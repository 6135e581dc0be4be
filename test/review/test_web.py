# SPDX-License-Identifier: Apache-2.0
"""The contract between server and page, path by path."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from starlette.testclient import TestClient

from petlesion.images import OutputError
from petlesion.itk import grid_of
from petlesion.review.web import application
from test.review.conftest import GRID, LARGE, SMALL, box

STATE_KEYS = {
    *("revision", "busy", "progress", "clicks", "lesions", "totals", "can_undo", "can_redo"),
    *("seconds", "tiles", "message"),
}
LESION_KEYS = {
    *("number", "kept", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "centroid_xyz", "longest_diameter_mm"),
}


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "page.html").write_text("<!doctype html><title>a page</title>")
    (folder / "review.js").write_text("export {};")
    (folder / "inner").mkdir()
    (folder / "inner" / "secret.txt").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def client(bench, page):
    with TestClient(application(bench.room, page), base_url="http://127.0.0.1:1") as client:
        yield client


def post(client, path, body=None):
    answer = client.post(path, json=body) if body is not None else client.post(path)
    return answer.status_code, answer.json()


def image(answer, tmp_path):
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/gzip"
    assert "content-encoding" not in answer.headers  # the page unpacks it
    path = tmp_path / "answer.nii.gz"
    path.write_bytes(answer.content)
    read = sitk.ReadImage(str(path))
    assert grid_of(read).same_as(GRID, 1e-3)
    return read.GetPixelIDTypeAsString(), sitk.GetArrayFromImage(read)


def test_the_page_and_its_files(client):
    page = client.get("/")
    assert (page.text, page.headers["content-type"]) == (
        "<!doctype html><title>a page</title>",
        "text/html; charset=utf-8",
    )
    script = client.get("/static/review.js")
    assert (script.text, script.headers["content-type"]) == ("export {};", "text/javascript; charset=utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "nowhere.js",
        "secret.txt",
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
        "inner",
        "inner/secret.txt",
        "inner%2Fsecret.txt",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "review.js%00.html",
        "",
        ".",
    ],
)
def test_no_path_leaves_the_page_s_folder(client, name):
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace(name, "")


def test_what_the_page_must_know_of_the_case(client):
    assert client.get("/api/case").json() == {
        "name": "a case",
        "size_xyz": [12, 10, 8],
        "spacing_mm": [4.0, 5.0, 3.0],
        "recipe": "mesbah",
        "tracer": "FDG",
        "device": "cpu",
        "warnings": ["a doubt"],
        "reads_clicks": True,
        "pet_window_suv": [0.0, 10.0],
        "ct_window_hu": [-160, 240],
        "version": "0.1.0",
    }


def test_the_volumes_lie_on_the_pet_s_grid(client, tmp_path):
    kind, array = image(client.get("/api/ct.nii.gz"), tmp_path)
    assert (kind, np.unique(array).tolist()) == ("16-bit signed integer", [41])
    kind, array = image(client.get("/api/pet.nii.gz"), tmp_path)
    assert (kind, np.unique(array).tolist()) == ("32-bit float", [1.0])


def test_the_mask_of_the_revision_on_the_screen(client, tmp_path):
    kind, array = image(client.get("/api/mask.nii.gz?revision=1"), tmp_path)
    assert kind == "8-bit unsigned integer"
    assert np.array_equal(array, box(LARGE))


@pytest.mark.parametrize("query", ["", "?revision=", "?revision=0", "?revision=2", "?revision=-1", "?revision=x",
                                   "?revision=" + "9" * 5000])  # fmt: skip
def test_no_other_revision_is_there(client, query):
    answer = client.get(f"/api/mask.nii.gz{query}")
    assert (answer.status_code, "revision" in answer.json()["message"]) == (404, True)


def test_a_click_from_202_to_its_answer(client, bench):
    status, state = post(client, "/api/clicks", {"name": "tumor", "point": [9, 7, 6]})
    assert (status, state.keys()) == (202, STATE_KEYS)
    assert state["clicks"] == [{"id": 1, "name": "tumor", "point": [9, 7, 6]}]
    bench.settled()
    state = client.get("/api/state").json()
    assert [one.keys() for one in state["lesions"]] == [LESION_KEYS] * 2
    assert state["totals"].keys() == {"number", "tmtv_ml", "tlg", "dmax_mm"}
    assert (state["busy"], state["revision"], state["tiles"]) == (False, 2, {"computed": 3, "reused": 4})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "object"),
        (b'{"name": "tumor", "name": "tumor", "point": [1, 1, 1]}', "name"),
        (b'{"point": [1, 1, 1]}', "tumor or background"),
        (b'{"name": ["tumor"], "point": [1, 1, 1]}', "tumor or background"),
        (b'{"name": "Tumor", "point": [1, 1, 1]}', "tumor or background"),
        (b'{"name": "tumor"}', "three whole numbers"),
        (b'{"name": "tumor", "point": [1, 1]}', "three whole numbers"),
        (b'{"name": "tumor", "point": [1, 1, 1.0]}', "three whole numbers"),
        (b'{"name": "tumor", "point": [1, 1, true]}', "three whole numbers"),
        (b'{"name": "tumor", "point": [1, 1, NaN]}', "NaN"),
        (b'{"name": "tumor", "point": [1, 1, 8]}', "(12, 10, 8)"),
        (b'{"name": "tumor", "point": [-1, 1, 1]}', "(12, 10, 8)"),
    ],
)
def test_a_click_that_is_none_is_refused_in_words(client, body, said):
    answer = client.post("/api/clicks", content=body)
    assert (answer.status_code, said in answer.json()["message"]) == (422, True), answer.text
    assert client.get("/api/state").json()["revision"] == 1


def test_while_a_click_is_answered_all_else_gets_409(client, bench):
    bench.engine.go.clear()
    assert post(client, "/api/clicks", {"name": "tumor", "point": [9, 7, 6]})[0] == 202
    assert client.get("/api/state").json()["busy"] is True
    for path, body in (
        ("/api/clicks", {"name": "tumor", "point": [1, 1, 1]}),
        ("/api/undo", None),
        ("/api/redo", None),
        ("/api/lesions/1", {"kept": False}),
        ("/api/save", None),
    ):
        status, answer = post(client, path, body)
        assert (status, "under way" in answer["message"]) == (409, True)


def test_undo_redo_and_lesions(client, bench, tmp_path):
    before = client.get("/api/mask.nii.gz?revision=1").content
    post(client, "/api/clicks", {"name": "tumor", "point": [9, 7, 6]})
    bench.settled()
    status, state = post(client, "/api/lesions/2", {"kept": False})
    assert (status, [one["kept"] for one in state["lesions"]], state["revision"]) == (200, [True, False], 3)
    assert client.get("/api/mask.nii.gz?revision=3").content == before
    assert post(client, "/api/undo")[1]["totals"]["number"] == 2
    _, state = post(client, "/api/undo")
    assert (state["clicks"], state["can_redo"]) == ([], True)
    assert client.get(f"/api/mask.nii.gz?revision={state['revision']}").content == before
    status, state = post(client, "/api/redo")
    assert status == 200
    _, array = image(client.get(f"/api/mask.nii.gz?revision={state['revision']}"), tmp_path)
    assert np.array_equal(array, box(LARGE, SMALL))


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/undo", None, "nothing to undo"),
        ("/api/redo", None, "nothing to redo"),
        ("/api/lesions/2", {"kept": False}, "got 2"),
        ("/api/lesions/0", {"kept": False}, "got 0"),
        ("/api/lesions/1", {"kept": 0}, "true or false"),
        ("/api/lesions/1", {}, "true or false"),
    ],
)
def test_what_cannot_be_done_is_said(client, path, body, said):
    status, answer = post(client, path, body)
    assert (status, said in answer["message"]) == (422, True), answer


def test_saving_writes_what_is_on_the_screen(client, bench, tmp_path):
    post(client, "/api/clicks", {"name": "tumor", "point": [9, 7, 6]})
    bench.settled()
    post(client, "/api/lesions/1", {"kept": False})
    status, answer = post(client, "/api/save")
    assert status == 200
    assert answer == {
        "files": ["mask.nii.gz", "lesion-clicks.json", "report.json", "lesions.csv", "report.html"],
        "folder": "out",
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(answer["files"])
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "mask.nii.gz")))
    assert np.array_equal(mask, box(SMALL))
    clicks = json.loads((tmp_path / "out" / "lesion-clicks.json").read_text())
    assert clicks["points"] == [{"point": [9, 7, 6], "name": "tumor"}]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["n_lesions"], report["review"]) == (1, {"clicks": 1, "removed_lesions": 1})
    assert "removed by hand" in report["warnings"][-1]


def test_what_cannot_be_saved_is_said(client, bench, monkeypatch):
    def full(*_):
        raise OutputError("the disk is full")

    monkeypatch.setattr(type(bench.room.folder), "save", full)
    assert post(client, "/api/save") == (500, {"message": "the disk is full"})
    assert "the disk is full" in client.get("/api/state").json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/clicks", 405),
        ("POST", "/api/state", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/api/lesions/x", 404),
        ("POST", "/api/lesions/-1", 404),
        ("DELETE", "/", 405),
    ],
)
def test_what_is_no_path_is_refused_in_json(client, method, path, status):
    answer = client.request(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["message"])
