"""The verbs `edges`, `saliency` and `cutout`, which run a trained network on images.

Each verb defines what it makes of one image; `featheredge.cli.images` does the rest.
"""

import difflib
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from featheredge.cli.images import DEFAULTS, Run, process

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from featheredge.batch import Drawn
    from featheredge.image import ImageSource
    from featheredge.session import Session


def _refuse_options(_: type, inputs: list[str]) -> None:
    """Raise an error for misspelt options: inputs can start with "-", so they get here."""
    for text in inputs:
        if text.startswith("-") and text != "-":
            near = difflib.get_close_matches(text.partition("=")[0], _options(), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"For a file of this name, type ./{text}"
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


def edges(
    inputs: Inputs,
    /,
    *,
    threshold: Threshold | None = None,
    thin: Annotated[bool, Parameter(negative="")] = False,
    run: Run = DEFAULTS,
) -> int:
    """Find edges and write them as 8-bit greyscale images, white on black, value round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders), glob patterns or, with --allow-urls,
            URLs; - alone reads one image from standard input.
        threshold: Write pixels with at least this map value white and all others black; above 0,
            at most 1.
        thin: Thin the edges to ridge lines (non-maximum suppression).
        run: Output, network and limits.
    """

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        map = session(image, max_megapixels=run.max_megapixels)
        if thin:
            from featheredge.nms import suppress

            map = suppress(map)
        return _draw_map(map, threshold)

    return process("edges", "edges", inputs, run, draw)


def saliency(
    inputs: Inputs,
    /,
    *,
    threshold: Threshold | None = None,
    refine: Annotated[bool, Parameter(negative="")] = False,
    run: Run = DEFAULTS,
) -> int:
    """Find salient objects and write them as 8-bit greyscale images, white on black, round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders), glob patterns or, with --allow-urls,
            URLs; - alone reads one image from standard input.
        threshold: Write pixels with at least this map value white and all others black; above 0,
            at most 1.
        refine: Write the mask that cutout uses instead of the map: with sharp borders, white
            inside and black outside.
        run: Output, network and limits.
    """

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        if not refine:
            return _draw_map(session(image, max_megapixels=run.max_megapixels), threshold)
        from PIL import Image

        from featheredge.batch import Drawn
        from featheredge.compose import SOFTNESS, subject_alpha

        level, softness = (0.5, SOFTNESS) if threshold is None else (threshold, 0.0)
        alpha = subject_alpha(image, session, level, softness, max_megapixels=run.max_megapixels)
        return Drawn(Image.fromarray(alpha))

    return process("saliency", "saliency", inputs, run, draw)


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
        run: Output, network and limits.
    """

    def draw(session: "Session", image: "ImageSource") -> "Drawn":
        from PIL import Image

        from featheredge import compose
        from featheredge.batch import Drawn

        notes: dict[str, int | float] = {}
        cut = compose.cutout(
            image,
            model=session,
            threshold=threshold,
            background=background,
            crop=crop,
            margin=margin,
            subject=subject,
            min_share=min_share,
            on_dropped=lambda count: notes.update(dropped_parts=count),
            max_megapixels=run.max_megapixels,
        )
        assert isinstance(cut, Image.Image)
        return Drawn(cut, notes)

    transparent = background is None
    return process("cutout", "saliency", inputs, run, draw, transparent=transparent)


def _draw_map(map: "NDArray[np.float32]", threshold: float | None) -> "Drawn":
    """Return a map as a grey picture, binarised if there is a threshold."""
    from PIL import Image

    from featheredge.batch import Drawn
    from featheredge.png import binarise, quantise

    map = map if threshold is None else binarise(map, threshold)
    return Drawn(Image.fromarray(quantise(map)))
