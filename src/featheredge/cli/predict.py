"""The verbs `edges`, `saliency` and `cutout`, which run a trained network on images.

Each verb defines what it makes of one image; `featheredge.cli.images` does the rest.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from featheredge.cli.images import DEFAULTS, Run, process

if TYPE_CHECKING:
    from featheredge.batch import Drawn
    from featheredge.catalog import Task
    from featheredge.image import ImageSource
    from featheredge.session import Session


_RENAMED = {"--thin": "--as thin", "--refine": "--as mask"}


def _refuse_options(_: type, inputs: list[str]) -> None:
    """Raise an error for misspelt options: inputs can start with "-", so they get here."""
    for text in inputs:
        if text.startswith("-") and text != "-":
            if now := _RENAMED.get(text):
                raise CycloptsError(msg=f"Unknown option: {text}. Type {now}")
            name = text.partition("=")[0]
            near = difflib.get_close_matches(name, _options(), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"For a file of this name, type ./{text}"
            hint = "It is an option of another verb" if near == [name] else hint
            raise CycloptsError(msg=f"Unknown option: {text}. {hint}")


def _options() -> list[str]:
    """Return the options of all verbs in this file."""
    verbs = (App(default_command=verb) for verb in (edges, saliency, cutout))
    arguments = (argument for verb in verbs for argument in verb.assemble_argument_collection())
    return [name for argument in arguments for name in argument.names if name.startswith("-")]


Inputs: TypeAlias = Annotated[
    list[str], Parameter(allow_leading_hyphen=True, validator=_refuse_options, negative="")
]
Threshold: TypeAlias = Annotated[float, Parameter(validator=Number(gt=0, lte=1))]
"""A pixel is edge or object if its map value is at least the threshold, in every verb."""
Invert: TypeAlias = Annotated[bool, Parameter(negative="")]

EdgeLook: TypeAlias = Literal[
    "map", "binary", "thin", "overlay", "sketch", "lineart", "contour-svg"
]
SaliencyLook: TypeAlias = Literal["map", "mask", "cutout", "overlay", "blur", "trimap", "outline"]


def edges(
    inputs: Inputs,
    /,
    *,
    look: Annotated[EdgeLook, Parameter(name="--as")] = "map",
    threshold: Threshold | None = None,
    invert: Invert = False,
    size: Annotated[int | None, Parameter(validator=Number(gte=16))] = None,
    scales: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (1.0,),
    run: Run = DEFAULTS,
) -> int:
    """Find edges and write them as 8-bit greyscale images, white on black, value round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders), glob patterns or, with --allow-urls,
            URLs; - alone reads one image from standard input.
        look: What to draw: the map, black and white at the threshold (binary), lines one pixel
            wide (thin), lines on the photo (overlay), a pencil drawing (sketch), smooth lines of
            equal width (lineart), or the same lines as an SVG file (contour-svg).
        threshold: Draw edges from this map value on; above 0, at most 1. With map and thin, they
            are white and all other pixels black. Default: 0.5 for binary, 0.3 for lineart and
            contour-svg, none for the others.
        invert: Swap black and white.
        size: Working size: let the network see images at most this large, in pixels of the longer
            side, and resize the map back. 1024 finds contours in photos of many megapixels, which
            are all texture at full size.
        scales: Average the maps of copies resized by these factors, as in --scales 0.5 1 1.5:
            slower, and a little more accurate.
        run: Output, network and limits.
    """
    from featheredge.looks import find
    from featheredge.resize import check_scales

    find("edges", look, invert)  # errors before any work
    check_scales(scales)

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        return _draw("edges", look, session, image, run, threshold, invert, size, scales)

    return process("edges", "edges", inputs, run, draw, is_svg=look == "contour-svg")


def saliency(
    inputs: Inputs,
    /,
    *,
    look: Annotated[SaliencyLook, Parameter(name="--as")] = "map",
    threshold: Threshold | None = None,
    invert: Invert = False,
    run: Run = DEFAULTS,
) -> int:
    """Find salient objects and write them as 8-bit greyscale images, white on black, round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders), glob patterns or, with --allow-urls,
            URLs; - alone reads one image from standard input.
        look: What to draw: the map, the object's opacity with sharp borders (mask), the object on
            a transparent background (cutout), tinted on the faded photo (overlay), before a
            blurred background (blur), inside, unknown and outside for matting (trimap), or a line
            around it (outline). The verb cutout has more options.
        threshold: Map value of the object's border, above 0, at most 1. With map and mask, pixels
            from this value on are white and all others black. Default: 0.5, and none for map.
        invert: Swap black and white.
        run: Output, network and limits.
    """
    from featheredge.looks import find

    find("saliency", look, invert)  # an error before any work

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        return _draw("saliency", look, session, image, run, threshold, invert)

    return process("saliency", "saliency", inputs, run, draw, transparent=look == "cutout")


def cutout(
    inputs: Inputs,
    /,
    *,
    background: str | None = None,
    crop: Annotated[bool, Parameter(negative="")] = False,
    margin: Annotated[float, Parameter(validator=Number(gte=0))] = 0.05,
    threshold: Threshold = 0.5,
    subject: Literal["all", "largest"] = "all",
    min_share: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.05,
    mask: Annotated[bool, Parameter(negative="")] = False,
    run: Run = DEFAULTS,
) -> int:
    """Cut out salient objects and write them with a transparent background.

    Args:
        inputs: Images, folders (with their sub-folders), glob patterns or, with --allow-urls,
            URLs; - alone reads one image from standard input.
        background: New background: a colour (white, #00ff00), an image file, or blur for the
            blurred original.
        crop: Crop to the object.
        margin: Margin around the object with --crop, as a share of its longer side.
        threshold: Map value of the object's border, above 0, at most 1. An image without a pixel
            of at least this value has no object and counts as failed.
        subject: Keep all parts of the subject, or only the largest.
        min_share: Drop parts below this share of the largest part's area; 0 keeps all.
        mask: Write the mask too: NAME_mask.png next to the cut-out.
        run: Output, network and limits.
    """

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        from PIL import Image

        from featheredge.batch import Drawn
        from featheredge.compose import cut_out
        from featheredge.image import load

        pixels = load(image, max_megapixels=run.max_megapixels)
        with _named(image):
            cut = cut_out(
                pixels,
                session,
                threshold=threshold,
                background=background,
                crop=crop,
                margin=margin,
                subject=subject,
                min_share=min_share,
            )
        dropped = {"dropped_parts": cut.num_dropped} if cut.num_dropped else {}
        return Drawn(
            Image.fromarray(cut.pixels),
            {"confidence": round(cut.confidence, 4), **dropped},
            Image.fromarray(cut.mask) if mask else None,
        )

    transparent = background is None
    return process("cutout", "saliency", inputs, run, draw, transparent=transparent)


def _draw(
    task: "Task",
    look: str,
    session: "Session",
    image: "ImageSource",
    run: Run,
    threshold: float | None,
    invert: bool,
    size: int | None = None,
    scales: Sequence[float] = (1.0,),
) -> "Drawn":
    """Run a network on one image and draw its map."""
    from PIL import Image

    from featheredge.batch import Drawn
    from featheredge.compose import subject_map
    from featheredge.image import load
    from featheredge.looks import draw
    from featheredge.maps import infer

    pixels = load(image, max_megapixels=run.max_megapixels)
    if task == "saliency" and look != "map":
        map = subject_map(pixels, session)  # the same borders as `cutout` finds, in less time
    else:
        map = infer(session, pixels, size, scales)
    with _named(image):
        drawing = draw(task, look, pixels, map, threshold=threshold, invert=invert)
    return Drawn(drawing.encode() if isinstance(drawing, str) else Image.fromarray(drawing))


@contextmanager
def _named(image: "ImageSource") -> Iterator[None]:
    """Put the name of the image before the message that it has no object."""
    from featheredge.errors import NoObjectError

    try:
        yield
    except NoObjectError as error:
        raise NoObjectError(f"{getattr(image, 'name', 'the image')}: {error}") from None
