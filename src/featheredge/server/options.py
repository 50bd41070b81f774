"""Options of the endpoints: their query parameters, with the same names as on the command line."""

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from fastapi import HTTPException, Query, Request
from PIL import ImageColor

Model: TypeAlias = Annotated[
    str | None, Query(description="Name of a network from /v1/models; by default, the first.")
]
MapThreshold: TypeAlias = Annotated[
    float | None,
    Query(
        gt=0,
        le=1,
        description="Make pixels with at least this map value white and all others black.",
    ),
]


@dataclass(frozen=True)
class EdgeOptions:
    """Options of /v1/edges."""

    threshold: MapThreshold = None
    thin: Annotated[
        bool, Query(description="Thin the edges to ridge lines (non-maximum suppression).")
    ] = False
    model: Model = None


@dataclass(frozen=True)
class SaliencyOptions:
    """Options of /v1/saliency."""

    threshold: MapThreshold = None
    refine: Annotated[
        bool,
        Query(description="Return the mask that cutout uses instead of the map: sharp borders."),
    ] = False
    model: Model = None


@dataclass(frozen=True)
class CutoutOptions:
    """Options of /v1/cutout."""

    background: Annotated[
        str | None,
        Query(
            max_length=40,
            description="New background: a colour (white, #00ff00) or blur for the blurred "
            "original. By default, the background is transparent.",
            examples=["white"],
        ),
    ] = None
    crop: Annotated[bool, Query(description="Crop to the object.")] = False
    margin: Annotated[
        float,
        Query(
            ge=0,
            le=10,
            description="Margin around the object with crop, as a share of its longer side.",
        ),
    ] = 0.05
    threshold: Annotated[
        float, Query(gt=0, le=1, description="Map value of the object's border.")
    ] = 0.5
    subject: Annotated[
        Literal["all", "largest"],
        Query(description="Keep all parts of the object, or only the largest."),
    ] = "all"
    min_share: Annotated[
        float,
        Query(
            ge=0,
            le=1,
            description="Drop parts below this share of the largest part's area; 0 keeps all.",
        ),
    ] = 0.05
    model: Model = None

    def backdrop(self) -> tuple[int, int, int] | str | None:
        """Return the background as the library takes it.

        A text other than a colour or "blur" is refused: the library would read it as the path of
        a file on the server.

        Raises:
            HTTPException: 422 if it is neither.
        """
        if self.background in (None, "blur"):
            return self.background
        try:
            red, green, blue = ImageColor.getrgb(self.background)[:3]
        except ValueError as error:
            raise HTTPException(
                422,
                f"background is {self.background!r}; expected a colour (white, or #00ff00 with "
                "# written as %23) or blur",
            ) from error
        return red, green, blue


Options: TypeAlias = EdgeOptions | SaliencyOptions | CutoutOptions


def refuse_unknown(request: Request, options: Options) -> None:
    """Raise an error for query parameters that the endpoint does not have.

    Raises:
        HTTPException: 422 with the parameter and the one that was probably meant.
    """
    known = [field.name for field in dataclasses.fields(options)]
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name[:80], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise HTTPException(422, f"unknown parameter {name[:80]!r}; {hint}")
