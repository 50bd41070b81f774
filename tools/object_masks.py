"""Turn class maps of PASCAL VOC's kind, drawn by people, into masks of the objects that stand out.

    python tools/object_masks.py CLASSES MAPS -o OUT

CLASSES has ID.png: a class for each pixel, 0 for the background, 255 where it is not known. MAPS
has an ID.png of the picture's size for each picture, as `featheredge saliency PICTURES -m
feather-saliency --as mask -o MAPS` writes them; class maps without one are skipped. OUT gets a
black-and-white ID.png for each picture that is kept, and the numbers of others are printed by
reason. Furniture and plants count as background. Bicycles are left out, because their contours
often include the ground between the spokes. Small and far objects are dropped; a picture that loses
much by that, or in which the map shows something else, is refused. Contours drawn by hand are off
by a few pixels: near them, the map decides where both agree about the region.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from featheredge import save_map
from featheredge.metrics.map_files import read_mask

_UNKNOWN, _BICYCLE = 255, 2
_FURNITURE = (9, 11, 16, 18, 20)  # chair, table, plant, sofa, screen
_MOST_BICYCLE = 0.25  # of the object
_JOINED_PX, _SMALL, _MOST_LOST, _MOST_PARTS = 3, 0.25, 0.15, 3
_SHARE = (0.03, 0.9)  # of the picture
_NEAR_PX, _REGION_PX, _MOST_APART = 4, 15, 0.12
_MOST_BESIDE, _LEAST_OVERLAP = 1.2, 0.12


class Refused(Exception):
    """A picture that is left out; the message says why."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("classes", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    for path in sorted(args.maps.glob("*.png")):
        classes = args.classes / path.name
        try:
            mask = object_mask(np.asarray(Image.open(classes)), read_mask(path) > 127)
        except FileNotFoundError:
            counts["no class map"] += 1
        except Refused as reason:
            counts[str(reason)] += 1
        else:
            save_map(mask.astype(np.float32), args.output / path.name)
            counts["kept"] += 1
    print(", ".join(f"{reason}: {number}" for reason, number in counts.most_common()))


def object_mask(classes: np.ndarray, map: np.ndarray) -> np.ndarray:
    """Return the mask of what stands out: (h, w) classes and an (H, W) map -> (H, W) bool.

    Raises:
        Refused: Nothing stands out, or it is not clear what.
    """
    objects = large_parts(objects_of(classes))
    size = map.shape[::-1]
    drawn = np.asarray(Image.fromarray(objects).convert("L").resize(size, Image.Resampling.BOX))
    mask = drawn > 127
    if not _SHARE[0] < mask.mean() < _SHARE[1]:
        raise Refused("too small or too large")
    both, either = (mask & map).sum(), (mask | map).sum()
    if (map & ~mask).sum() > _MOST_BESIDE * mask.sum() or both < _LEAST_OVERLAP * either:
        raise Refused("the map shows something else")
    return snapped(mask, map)


def objects_of(classes: np.ndarray) -> np.ndarray:
    """Find objects: (h, w) classes -> (h, w) bool, unknown pixels to the nearer side."""
    known = classes != _UNKNOWN
    objects = known & ~np.isin(classes, (0, *_FURNITURE))
    if not objects.any():
        raise Refused("nothing but background")
    if (classes == _BICYCLE).sum() > _MOST_BICYCLE * objects.sum():
        raise Refused("bicycle")
    if known.all():
        return objects
    outside = known & ~objects
    distance = ndimage.distance_transform_edt
    return np.asarray(distance(~objects) <= distance(~outside))


def large_parts(objects: np.ndarray) -> np.ndarray:
    """Drop parts that are small beside the largest; parts a few pixels apart count as one."""
    parts, number = ndimage.label(ndimage.binary_dilation(objects, iterations=_JOINED_PX))
    sizes = ndimage.sum(objects, parts, range(1, number + 1))
    large = 1 + np.flatnonzero(sizes >= _SMALL * sizes.max())
    kept: np.ndarray = objects & np.isin(parts, large)
    if kept.sum() < (1 - _MOST_LOST) * objects.sum() or len(large) > _MOST_PARTS:
        raise Refused("many objects")
    return kept


def snapped(mask: np.ndarray, map: np.ndarray) -> np.ndarray:
    """Take the map near the mask's outline, where the two agree about the region: bool, bool."""
    distance = ndimage.distance_transform_edt
    near = np.where(mask, distance(mask), distance(~mask)) <= _NEAR_PX
    apart = ndimage.uniform_filter((mask != map).astype(float), _REGION_PX)
    return np.where(near & (apart < _MOST_APART), map, mask)


if __name__ == "__main__":
    main()
