"""What `make demo` runs: one picture of everything, and what to type next."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]


def test_the_demo_shows_both_photos_in_one_picture(tmp_path):
    picture = tmp_path / "out" / "demo.png"
    command = [sys.executable, ROOT / "examples/demo.py", "-o", picture, "--bin", "venv/bin/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in ("coffee.jpg: edges ", "cat.jpg: edges ", "thin edges ", "salient object ", " ms"):
        assert said in done.stdout
    assert str(picture) in done.stdout
    assert "venv/bin/featheredge edges PHOTO.jpg" in done.stdout
    width, height = Image.open(picture).size
    assert width > 3 * height  # five pictures in a row, two rows
