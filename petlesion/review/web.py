# SPDX-License-Identifier: Apache-2.0
"""The paths of the review's server: the page's files, the case, the state, and what can be done."""

from __future__ import annotations

import asyncio
import mimetypes
from functools import cached_property, wraps
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from petlesion import __version__
from petlesion.clicks import BACKGROUND, TUMOR
from petlesion.document import DocumentError, parse_document
from petlesion.outcome import sentence_of
from petlesion.picture import WINDOW_SUV
from petlesion.review.guard import BODY_BYTES
from petlesion.review.room import BusyError, RefusedError
from petlesion.review.volumes import ct_nifti, mask_nifti, pet_nifti

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from petlesion.review.room import Room

    Endpoint = Callable[["Paths", Request], Awaitable[Response]]

CT_WINDOW_HU = (-160, 240)
GZIP = "application/gzip"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}


def application(room: Room, page: Path | None = None) -> Starlette:
    """The application, which trusts whoever asks: `guard.Guard` stands in front of it.

    Args:
        room: The review.
        page: Folder of the page's files; that of this package where it is None.
    """
    paths = Paths(room, page or Path(str(resources.files("petlesion.review").joinpath("page"))))
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/", paths.page, methods=get),
        Route("/static/{name}", paths.static, methods=get),
        Route("/api/case", paths.case, methods=get),
        Route("/api/ct.nii.gz", paths.ct, methods=get),
        Route("/api/pet.nii.gz", paths.pet, methods=get),
        Route("/api/mask.nii.gz", paths.mask, methods=get),
        Route("/api/state", paths.state, methods=get),
        Route("/api/clicks", paths.click, methods=post),
        Route("/api/undo", paths.undo, methods=post),
        Route("/api/redo", paths.redo, methods=post),
        Route("/api/lesions/{number:int}", paths.lesion, methods=post),
        Route("/api/save", paths.save, methods=post),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _in_words})


async def _in_words(_: Request, error: Exception) -> Response:
    """What Starlette refuses, such as an unknown path."""
    error = cast("HTTPException", error)
    return _say(error.status_code, error.detail)


def _say(status: int, sentence: str) -> Response:
    return JSONResponse({"message": sentence}, status)


def _plainly(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose refusals become answers."""

    @wraps(endpoint)
    async def answer(self: Paths, request: Request) -> Response:
        try:
            return await endpoint(self, request)
        except BusyError as error:
            return _say(409, str(error))
        except (RefusedError, DocumentError) as error:
            text = f"the request {error}" if isinstance(error, DocumentError) else str(error)
            return _say(422, text)
        except LookupError as error:
            return _say(404, str(error.args[0]))

    return answer


class Paths:
    """What each path answers."""

    def __init__(self, room: Room, folder: Path) -> None:
        """Take the review, and the page's folder; files that come there later are not served."""
        self.room = room
        self._files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}

    async def page(self, _: Request) -> Response:
        """The page."""
        return self._file("page.html")

    async def static(self, request: Request) -> Response:
        """One of the page's files, by its bare name."""
        return self._file(request.path_params["name"])

    async def case(self, _: Request) -> Response:
        """What the page must know of the case."""
        engine = self.room.engine
        case = engine.admission.case
        return JSONResponse(
            {
                "name": case.name,
                "size_xyz": list(case.grid.size_xyz),
                "spacing_mm": list(case.grid.spacing_mm),
                "recipe": engine.options.recipe.name,
                "tracer": engine.tracer,
                "device": engine.device,
                "warnings": list(engine.warnings),
                "reads_clicks": engine.reads_clicks,
                "pet_window_suv": list(WINDOW_SUV),
                "ct_window_hu": list(CT_WINDOW_HU),
                "version": __version__,
            }
        )

    async def ct(self, _: Request) -> Response:
        """The CT on the PET's grid."""
        return Response(await run_in_threadpool(lambda: self._ct), media_type=GZIP)

    async def pet(self, _: Request) -> Response:
        """The PET."""
        return Response(await run_in_threadpool(lambda: self._pet), media_type=GZIP)

    @_plainly
    async def mask(self, request: Request) -> Response:
        """The mask on the screen."""
        wanted = request.query_params.get("revision", "")
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
            raise LookupError("a mask is asked for by its revision, a number")
        packed = self.room.mask(int(wanted))
        grid = self.room.engine.admission.case.grid
        return Response(await run_in_threadpool(mask_nifti, packed, grid), media_type=GZIP)

    async def state(self, _: Request) -> Response:
        """What is on the screen."""
        return JSONResponse(self.room.state())

    @_plainly
    async def click(self, request: Request) -> Response:
        """Set a click."""
        body = await _body(request)
        name, point = body.get("name"), body.get("point")
        if name not in (TUMOR, BACKGROUND):
            raise RefusedError(f"a click is named {TUMOR} or {BACKGROUND}")
        if not (isinstance(point, list) and len(point) == 3 and all(type(one) is int for one in point)):
            raise RefusedError("a click's point is three whole numbers, [x, y, z]")
        return JSONResponse(await run_in_threadpool(self.room.click, name, tuple(point)), 202)

    @_plainly
    async def undo(self, _: Request) -> Response:
        """One moment back."""
        return JSONResponse(await run_in_threadpool(self.room.undo))

    @_plainly
    async def redo(self, _: Request) -> Response:
        """One moment on again."""
        return JSONResponse(await run_in_threadpool(self.room.redo))

    @_plainly
    async def lesion(self, request: Request) -> Response:
        """Remove a lesion or bring it back."""
        kept = (await _body(request)).get("kept")
        if not isinstance(kept, bool):
            raise RefusedError('"kept" is true or false')
        number = request.path_params["number"]
        return JSONResponse(await run_in_threadpool(lambda: self.room.keep_lesion(number, kept=kept)))

    @_plainly
    async def save(self, _: Request) -> Response:
        """Write everything to the folder."""
        saving = self.room.save()
        try:
            names = await asyncio.wrap_future(saving)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page is told
            return _say(500, sentence_of(error))
        return JSONResponse({"files": list(names), "folder": self.room.folder.path.name})

    @cached_property
    def _ct(self) -> bytes:
        return ct_nifti(self.room.engine.admission.case.ct_hu)

    @cached_property
    def _pet(self) -> bytes:
        return pet_nifti(self.room.engine.admission.case.pet_suv)

    def _file(self, name: str) -> Response:
        path = self._files.get(name)
        if path is None:
            return _say(404, "the page has no such file")
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0]
        return FileResponse(path, media_type=kind or "application/octet-stream")


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        DocumentError: When it is no JSON.
        RefusedError: When it is no object.
    """
    value = parse_document(await request.body(), BODY_BYTES)
    if not isinstance(value, dict):
        raise RefusedError("a request holds a JSON object")
    return value
