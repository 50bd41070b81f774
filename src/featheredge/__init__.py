"""Very small edge-detection and salient-object networks, fast on an ordinary CPU."""

__version__ = "0.1.0"
