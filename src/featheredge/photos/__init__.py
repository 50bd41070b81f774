"""Two photos in the package: what reports, benchmarks, calibration and the tour show by default."""

from pathlib import Path

PHOTOS = tuple(Path(__file__).parent / name for name in ("coffee.jpg", "cat.jpg"))
