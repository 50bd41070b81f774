"""The endpoints of the API."""

import asyncio
import functools
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse

from featheredge.catalog import Task
from featheredge.image import load
from featheredge.server.bodies import Bodies
from featheredge.server.formats import EDGE_FORMATS, FORMATS, encode, negotiate
from featheredge.server.metrics import Metrics
from featheredge.server.options import (
    CutoutOptions,
    EdgeOptions,
    Options,
    SaliencyOptions,
    refuse_unknown,
)
from featheredge.server.pictures import Steps, draw
from featheredge.server.served_models import ServedModel, ServedModels
from featheredge.server.settings import Settings
from featheredge.server.uploads import picture_in
from featheredge.server.workers import Workers

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "string", "format": "binary"}},
    }
}
_PICTURE_IN: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file of a picture, as the whole body or as the part `image` of a form.",
        "content": {
            "multipart/form-data": _FORM,
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}
_ERRORS = {
    400: "The body is empty or breaks off, or the form is damaged.",
    406: "The Accept header allows no format of the server.",
    408: "The body arrives too slowly.",
    413: "The body is too large.",
    415: "The body is not a picture.",
    422: "A parameter or the picture is not usable; a cut-out finds no object.",
    429: "The queue is full; Retry-After has the seconds to wait.",
    503: "The picture takes too long.",
}
_PICTURE_OUT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {name: _BINARY for name in FORMATS}},
    **{
        status: {
            "description": meaning,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": {"detail": {"type": "string"}}}
                }
            },
        }
        for status, meaning in _ERRORS.items()
    },
}
_EDGES_OUT: dict[int | str, dict[str, Any]] = {
    **_PICTURE_OUT,
    200: {"description": "The picture.", "content": {name: _BINARY for name in EDGE_FORMATS}},
}


@dataclass(frozen=True)
class Service:
    """What the endpoints share."""

    settings: Settings
    models: ServedModels
    workers: Workers
    bodies: Bodies
    metrics: Metrics


def api(service: Service) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter()
    picture = functools.partial(
        router.post,
        tags=["pictures"],
        response_class=Response,
        responses=_PICTURE_OUT,
        openapi_extra=_PICTURE_IN,
    )

    @picture("/v1/edges", summary="Find edges", responses=_EDGES_OUT)
    async def edges(request: Request, options: Annotated[EdgeOptions, Depends()]) -> Response:
        """Return the edge map, white on black, value round(255 p), as large as the picture.

        As SVG: its contours, black on white.
        """
        return await _answer(service, request, "edges", options)

    @picture("/v1/saliency", summary="Find salient objects")
    async def saliency(
        request: Request, options: Annotated[SaliencyOptions, Depends()]
    ) -> Response:
        """Return the saliency map, white on black, value round(255 p), as large as the picture."""
        return await _answer(service, request, "saliency", options)

    @picture("/v1/cutout", summary="Cut out the salient object")
    async def cutout(request: Request, options: Annotated[CutoutOptions, Depends()]) -> Response:
        """Return the object, with a transparent or a new background."""
        options.backdrop()  # refused before the body is read
        return await _answer(service, request, "saliency", options)

    @router.get("/v1/models", tags=["server"], summary="List the networks")
    async def models() -> dict[str, Any]:
        """Return the networks that the server offers; the first of a task is its default."""
        return {"models": [model.public() for model in service.models.all]}

    @router.get("/models/models.json", include_in_schema=False)
    async def models_for_page() -> dict[str, Any]:
        return await models()

    @router.get("/models/{file}", include_in_schema=False)
    async def weights(file: str) -> FileResponse:
        model = service.models.by_file(file)
        if model is None:
            raise HTTPException(404, f"no network has the file {file[:80]!r}; see /v1/models")
        return FileResponse(model.path, media_type="application/octet-stream")

    @router.get("/v1/{verb}", include_in_schema=False)
    async def not_by_get(verb: str) -> None:
        if verb in ("edges", "saliency", "cutout"):
            raise HTTPException(
                405, f"send the picture with POST to /v1/{verb}; /docs shows how", {"Allow": "POST"}
            )
        raise HTTPException(404)

    @router.get("/healthz", tags=["server"], summary="Check that the server answers")
    async def healthz(request: Request) -> dict[str, str]:
        """Return the version, while the server takes requests."""
        return {"status": "ok", "version": request.app.version}

    @router.get("/metrics", tags=["server"], summary="Metrics for Prometheus")
    async def metrics() -> Response:
        """Return counts and times in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return router


async def _answer(service: Service, request: Request, task: Task, options: Options) -> Response:
    """Process the picture of a request. Everything that can be refused early is refused early."""
    refuse_unknown(request, options)
    formats = EDGE_FORMATS if task == "edges" else FORMATS
    format = negotiate(request.headers.get("accept", ""), formats)
    model = service.models.find(options.model, task)
    service.workers.refuse_if_full()
    with service.bodies.counted() as held:
        body = await service.bodies.receive(request, held)
        steps = Steps()
        work = functools.partial(
            _process, service, model, body, _content_type(request), options, format, steps
        )
        gone = asyncio.ensure_future(request.receive())  # ends when the client disconnects
        try:
            content, megapixels = await service.workers.run(
                work,
                gone,
                wait=service.settings.queue_seconds,
                limit=service.settings.work_seconds,
            )
        finally:
            gone.cancel()
    service.metrics.processed(request.scope["route"].path, steps, megapixels)
    headers = {"Server-Timing": steps.header(), "Vary": "Accept", "Cache-Control": "no-store"}
    return Response(content, media_type=format, headers=headers)


def _process(
    service: Service,
    model: ServedModel,
    body: bytes,
    content_type: str,
    options: Options,
    format: str,
    steps: Steps,
) -> tuple[bytes, float]:
    """Return the encoded result and the megapixels of the picture; runs on a worker."""
    with steps.step("decode"):
        picture = picture_in(body, content_type)
        pixels = load(picture, max_megapixels=service.settings.max_megapixels)
    session = service.workers.session(model)
    output = draw(session, pixels, options, format, steps)
    with steps.step("encode"):
        content = encode(output, format)
    return content, pixels.shape[0] * pixels.shape[1] / 1e6


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")
