"""Draw frames of several videos as one picture: a row for each video, a column for each time.

python tools/draw_video_strip.py clip.mp4 clip_edges.mp4 ... -o strip.jpg
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from featheredge.video.frame import Frame
from featheredge.video.reader import open_file

COLUMNS, WIDTH = 5, 180


def frames_of(path: Path) -> list[Image.Image]:
    """COLUMNS frames at equal distances."""
    with open_file(path) as reader:
        items = [item for item in reader.items(longest_px=2 * WIDTH) if isinstance(item, Frame)]
    chosen = np.linspace(0, len(items) - 1, COLUMNS).round().astype(int)
    return [Image.fromarray(items[index].pixels) for index in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = []
    for path in arguments.videos:
        frames = [
            frame.resize((WIDTH, round(WIDTH * frame.height / frame.width)))
            for frame in frames_of(path)
        ]
        rows.append(np.hstack([np.asarray(frame) for frame in frames]))
    Image.fromarray(np.vstack(rows)).save(arguments.output, quality=85)


if __name__ == "__main__":
    main()
