"""Draw what `featheredge video` makes of a clip: a row for each look, a column for each time.

python tools/draw_video_strip.py examples/coffee.jpg -o docs/images/video-strip.jpg

The clip is a window that moves over a photo from left to right.
"""

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from featheredge.video.frame import Frame, Timing
from featheredge.video.reader import open_file
from featheredge.video.writer import VideoWriter

LOOKS: tuple[list[str], ...] = (
    [],
    ["--as", "overlay"],
    ["--as", "sketch"],
    ["--task", "saliency", "--as", "overlay"],
    ["--as", "cutout"],
    ["--as", "blur"],
)
COLUMNS, WIDTH, NUM_FRAMES, RATE = 5, 180, 40, Fraction(25)


def write_clip(photo: Path, path: Path) -> None:
    """Write a clip in which a window of 14/15 of the photo's sides moves to the right."""
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    height, width = (side * 14 // 15 // 2 * 2 for side in pixels.shape[:2])
    lefts = np.linspace(0, pixels.shape[1] - width, NUM_FRAMES).round().astype(int)
    with VideoWriter(path, Timing(1 / RATE, RATE)) as writer:
        for pts, left in enumerate(lefts):
            writer.write(Frame(pixels[:height, left : left + width], pts, 1))


def frames_of(path: Path) -> list[Image.Image]:
    """COLUMNS frames at equal distances, WIDTH pixels wide."""
    with open_file(path) as reader:
        items = [item for item in reader.items(longest_px=2 * WIDTH) if isinstance(item, Frame)]
    chosen = np.linspace(0, len(items) - 1, COLUMNS).round().astype(int)
    frames = [Image.fromarray(items[index].pixels) for index in chosen]
    return [frame.resize((WIDTH, round(WIDTH * frame.height / frame.width))) for frame in frames]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        write_clip(arguments.photo, clip)
        videos = [clip]
        for number, look in enumerate(LOOKS):
            videos.append(clip.with_name(f"{number}.mp4"))
            command = ["featheredge", "video", str(clip), *look, "-o", str(videos[-1])]
            subprocess.run([sys.executable, "-m", *command], check=True)
        rows = [np.hstack([np.asarray(frame) for frame in frames_of(video)]) for video in videos]
    Image.fromarray(np.vstack(rows)).save(arguments.output, quality=85)


if __name__ == "__main__":
    main()
