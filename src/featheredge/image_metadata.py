"""What `--keep-metadata` carries from an image file to its output: EXIF and the colour profile."""

from typing import NamedTuple

from PIL import ExifTags, Image

#: Tags of TIFF that describe how its pixels are stored, which the output stores differently.
_STORAGE = {
    *(0x0FE, 0x0FF, 0x100, 0x101, 0x102, 0x103, 0x106, 0x10A, 0x111, 0x115, 0x116, 0x117, 0x11C),
    *(0x13D, 0x140, 0x142, 0x143, 0x144, 0x145, 0x14A, 0x152, 0x153, 0x15B),
    *(0x201, 0x202, 0x211, 0x212, 0x213, 0x214, 0x2BC, 0x8649, 0x8773),
}
_SIZES = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)


class ImageMetadata(NamedTuple):
    """Metadata of an image file.

    Attributes:
        exif: EXIF data, upright and without a thumbnail; None if the file has none.
        icc_profile: RGB colour profile; None if the file has none.
    """

    exif: bytes | None = None
    icc_profile: bytes | None = None


NO_METADATA = ImageMetadata()


def read_metadata(image: Image.Image) -> ImageMetadata:
    """Read the metadata of an opened image file.

    The orientation becomes 1, because `load` turns the pixels upright. Sizes and the thumbnail are
    dropped, because they describe another picture. A colour profile that is not RGB is dropped,
    because `load` converts to RGB.
    """
    exif = image.getexif()
    for tag in _STORAGE.intersection(exif):
        del exif[tag]
    if ExifTags.IFD.Exif in exif:
        for tag in _SIZES:
            exif.get_ifd(ExifTags.IFD.Exif).pop(tag, None)
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    profile = image.info.get("icc_profile") or b""
    is_rgb = profile[16:20] == b"RGB "  # ICC.1:2022, section 7.2.8
    return ImageMetadata(exif.tobytes() if len(exif) else None, profile if is_rgb else None)
