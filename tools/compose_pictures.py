"""Compose training pictures: people on other backgrounds, empty scenes, close objects and people.

    python tools/compose_pictures.py --people DIR --scenes DIR -o OUT [--people-count 2600] \
        [--empty-count 1400] [--close-count 0] [--half-count 0]

DIR holds images/ID.jpg and masks/ID.png (white inside the object; a teacher's maps do for
scenes). A background is the largest strip beside the object of a scene, at least 110 px wide, where
its mask is below 0.08. OUT gets images/ and masks/: people_N with the person's mask, empty_N
with an empty one, close_N, a part of a scene that its object fills to 60 to 97 %, and half_N, the
upper part of a person who stands in the picture as a whole. Close objects keep a network from
learning that a large surface is nothing, and half-seen people teach it that a head has shoulders.
The results depend only on the folders and the counts.
"""

import argparse
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

_SIZES = ((320, 240), (240, 320), (320, 320), (320, 213))
_MIN_PX, _EMPTY, _LONGEST_PX = 110, 0.08, 320
_CLOSE, _TRIES = (0.6, 0.97), 40
_STANDING, _HALF = 1.8, (0.16, 0.6)  # height by width of a person; share of the height that is seen

Box = tuple[int, int, int, int]
Pair = tuple[Image.Image, Image.Image]  # a picture and its mask, of the same size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--people-count", type=int, default=2600)
    parser.add_argument("--empty-count", type=int, default=1400)
    parser.add_argument("--close-count", type=int, default=0)
    parser.add_argument("--half-count", type=int, default=0)
    args = parser.parse_args()
    people = sorted(args.people.glob("masks/*.png"))
    scenes = list(backgrounds(args.scenes))
    random.Random(1).shuffle(scenes)
    for number in range(args.people_count):
        rng = random.Random(number)
        picture, mask = composed(people[number % len(people)], rng.choice(scenes), rng)
        save(args.output, f"people_{number}", picture, mask)
    for number, scene in enumerate(scenes[: args.empty_count]):
        picture = background(scene)
        scale = _LONGEST_PX / max(picture.size)
        if scale > 1:
            picture = resized(picture, scale)
        save(args.output, f"empty_{number}", picture, Image.new("L", picture.size))

    masks = sorted(args.scenes.glob("masks/*.png"))
    random.Random(2).shuffle(masks)
    save_parts(args.output, "close", closer, masks, args.close_count)
    save_parts(args.output, "half", upper_part, people, args.half_count)


def backgrounds(folder: Path) -> Iterator[tuple[Path, Box]]:
    """Yield the picture and the box of every scene with room beside its object."""
    for path in sorted(folder.glob("masks/*.png")):
        image = picture_of(path)
        mask = np.asarray(Image.open(path).convert("L").resize(Image.open(image).size)) / 255
        if box := free_strip(mask > _EMPTY):
            yield image, box


def free_strip(inside: np.ndarray) -> Box | None:
    """Return the largest strip beside the object; None if all are narrow."""
    height, width = inside.shape
    if not inside.any():
        return None  # nobody has looked at it: it may hold an object that the teacher missed
    left, right = np.flatnonzero(inside.any(0))[[0, -1]]
    top, bottom = np.flatnonzero(inside.any(1))[[0, -1]]
    strips = [
        (0, 0, int(left), height),
        (int(right) + 1, 0, width, height),
        (0, 0, width, int(top)),
        (0, int(bottom) + 1, width, height),
    ]
    wide = [box for box in strips if min(box[2] - box[0], box[3] - box[1]) >= _MIN_PX]
    return max(wide, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def composed(person: Path, scene: tuple[Path, Box], rng: random.Random) -> Pair:
    """Paste a person into a background at a random size; return the picture and the mask."""
    width, height = rng.choice(_SIZES)
    picture = background(scene)
    scale = max(width / picture.width, height / picture.height)
    picture = resized(picture, scale, margin=1).crop((0, 0, width, height))
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
    whole = Image.open(person).convert("L")
    box = box_of(whole) or (0, 0, *whole.size)
    scale = min(
        rng.uniform(0.45, 1.1) * height / (box[3] - box[1]), 1.15 * width / (box[2] - box[0])
    )
    image = Image.open(picture_of(person)).convert("RGB").resize(whole.size)
    parts = [resized(part.crop(box), scale) for part in (image, whole)]
    if rng.random() < 0.5:
        parts = [part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for part in parts]
    at = (round(rng.uniform(-0.1, 1.1) * (width - parts[0].width)), height - parts[0].height)
    mask = Image.new("L", (width, height))
    picture.paste(parts[0], at, parts[1])
    mask.paste(parts[1], at)
    return picture, mask


def save_parts(
    folder: Path,
    kind: str,
    part: Callable[[Path, random.Random], Pair | None],
    masks: list[Path],
    count: int,
) -> None:
    """Save a part of each of the first pictures that have one."""
    pairs = filter(None, (part(mask, random.Random(mask.stem)) for mask in masks))
    for number, pair in enumerate(itertools.islice(pairs, count)):
        save(folder, f"{kind}_{number}", *pair)


def closer(mask: Path, rng: random.Random) -> Pair | None:
    """Return a part of a scene that its object nearly fills, and its mask; None without luck."""
    image, whole = pair_of(mask)
    inside = np.asarray(whole) > 127
    for _ in range(_TRIES):
        width, height = (max(round(rng.uniform(0.3, 0.9) * side), 1) for side in image.size)
        left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
        share = inside[top : top + height, left : left + width].mean()
        if min(width, height) >= _MIN_PX and _CLOSE[0] <= share <= _CLOSE[1]:
            return cropped((image, whole), (left, top, left + width, top + height))
    return None


def upper_part(mask: Path, rng: random.Random) -> Pair | None:
    """Return a person from the head to the chest or hips, and the mask; None if nobody stands."""
    image, whole = pair_of(mask)
    box = box_of(whole)
    if box is None or box[3] - box[1] < _STANDING * (box[2] - box[0]):
        return None
    seen = round(rng.uniform(*_HALF) * (box[3] - box[1]))
    top = max(0, box[1] - round(rng.uniform(0.02, 0.35) * seen))
    bottom = box[1] + seen
    width = min(round((bottom - top) * rng.uniform(0.7, 1.35)), image.width)
    head = np.asarray(whole)[box[1] : box[1] + max(seen // 4, 1)] > 127
    middle = round(np.flatnonzero(head.any(0)).mean() + rng.uniform(-0.2, 0.2) * width)
    left = min(max(middle - width // 2, 0), image.width - width)
    return cropped((image, whole), (left, top, left + width, bottom))


def pair_of(mask: Path) -> Pair:
    image = Image.open(picture_of(mask)).convert("RGB")
    return image, Image.open(mask).convert("L").resize(image.size)


def box_of(mask: Image.Image) -> Box | None:
    """Return the box around the object; None if the mask is empty."""
    return mask.point(lambda value: 255 * (value > 127)).getbbox()


def cropped(pair: Pair, box: Box) -> Pair:
    """Return the same part of a picture and its mask, its longer side 320 px."""
    scale = _LONGEST_PX / max(box[2] - box[0], box[3] - box[1])
    picture, mask = (resized(each.crop(box), scale) for each in pair)
    return picture, mask


def background(scene: tuple[Path, Box]) -> Image.Image:
    path, box = scene
    return Image.open(path).convert("RGB").crop(box)


def resized(image: Image.Image, scale: float, margin: int = 0) -> Image.Image:
    width, height = (max(round(scale * side), 8) + margin for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def picture_of(mask: Path) -> Path:
    return mask.parent.parent / "images" / f"{mask.stem}.jpg"


def save(folder: Path, name: str, picture: Image.Image, mask: Image.Image) -> None:
    for kind, image, suffix in (("images", picture, "jpg"), ("masks", mask, "png")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image.save(folder / kind / f"{name}.{suffix}", quality=92)


if __name__ == "__main__":
    main()
