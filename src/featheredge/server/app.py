"""The ASGI app: the API, its reference page, and the web page."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from featheredge.errors import FeatheredgeError, ImageError, MissingExtraError, NoObjectError
from featheredge.server.bodies import Bodies
from featheredge.server.envelope import Envelope
from featheredge.server.metrics import Metrics
from featheredge.server.routes import Service, api
from featheredge.server.served_models import ServedModels
from featheredge.server.settings import Settings
from featheredge.server.workers import Workers

_REFERENCE = Path(__file__).parent / "reference"

_NO_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Featheredge</title>
<p>The web page is not part of this installation; the server itself works: see
<a href="docs">the reference of its API</a>.</p></html>
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the server as an ASGI app.

    Args:
        settings: Limits, networks and origins; by default, `Settings()`.

    Raises:
        FeatheredgeError: A network cannot be opened.
    """
    settings = settings or Settings()
    workers, bodies = Workers(settings.workers, settings.queue), Bodies(settings)
    metrics = Metrics(workers, bodies)
    service = Service(settings, ServedModels(settings.models), workers, bodies, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(workers.close)

    app = FastAPI(
        title="Featheredge",
        version=metadata.version("featheredge"),
        description="Edges, salient objects and cut-outs of pictures.",
        docs_url=None,  # the pages that FastAPI offers load scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(api(service))
    _add_errors(app)
    _add_pages(app, settings.page)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Accept", "Content-Type"],
            expose_headers=["Retry-After", "Server-Timing"],
        )
    app.add_middleware(Envelope, metrics=metrics)
    return app


def _add_errors(app: FastAPI) -> None:
    """Make every error a JSON object with one sentence."""

    @app.exception_handler(FeatheredgeError)
    async def unusable(_: Request, error: FeatheredgeError) -> Response:
        if isinstance(error, MissingExtraError):
            return _sentence(415, str(error))
        if isinstance(error, (ImageError, NoObjectError)):
            return _sentence(422, str(error))
        raise error

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = (
            f"{problem['loc'][-1]} is {str(problem.get('input'))[:80]!r}: {problem['msg']}"
            for problem in error.errors()
        )
        return _sentence(422, "; ".join(found))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return _sentence(error.status_code, _explained(request, error), error.headers)


def _explained(request: Request, error: HTTPException) -> str:
    """Return the sentence of an error; Starlette's own errors have only the status' name."""
    path = request.url.path[:80]
    if error.status_code == 404 and error.detail == "Not Found":
        return f"nothing is at {path!r}; /docs lists what the server has"
    if error.status_code == 405 and error.detail == "Method Not Allowed":
        return f"{request.method[:20]} is not possible for {path!r}; see /docs"
    return str(error.detail)


def _sentence(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"detail": text}, status, headers)


def _add_pages(app: FastAPI, page: Path) -> None:
    @app.get("/docs", include_in_schema=False)
    async def reference() -> Response:
        return FileResponse(_REFERENCE / "index.html")

    app.mount("/reference", _Files(directory=_REFERENCE))
    if (page / "index.html").is_file():
        app.mount("/", _Page(directory=page, html=True))
        return

    @app.get("/", include_in_schema=False)
    async def no_page() -> Response:
        return HTMLResponse(_NO_PAGE)


class _Files(StaticFiles):
    """Files of a folder. A NUL character is in no name; not every version of Starlette knows."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file."""
        return ("", None) if "\0" in path else super().lookup_path(path)


class _Page(_Files):
    """The files of the web page; browsers ask again for those whose names hold no hash."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        response = await super().get_response(path, scope)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if hashed else "no-cache"
        )
        return response
