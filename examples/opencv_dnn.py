"""Run a weights file with OpenCV's dnn module, without ONNX Runtime and without this package.

    python examples/opencv_dnn.py NETWORK.onnx PICTURE MAP.png [STRIDE]

Needs OpenCV 5 or newer: pip install "opencv-python-headless>=5"
"""

import sys

import cv2
import numpy as np


def edges(network: str, bgr: np.ndarray, stride: int) -> np.ndarray:
    """Return the map of a picture.

    Args:
        network: Path of an .onnx file.
        bgr: (H, W, 3) uint8, in OpenCV's order of channels.
        stride: Height and width are padded to multiples of it.

    Returns:
        (H, W) float32 in [0, 1].
    """
    net = cv2.dnn.readNetFromONNX(network)
    height, width = bgr.shape[:2]
    padded = cv2.copyMakeBorder(
        cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
        0, -height % stride, 0, -width % stride,
        cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    net.setInput(padded[None], "image")  # decoded bytes: normalisation is inside the network
    map: np.ndarray = net.forward("map")[0, :height, :width]
    return map


def main() -> None:
    network, picture, output, stride = [*sys.argv[1:], "16"][:4]
    bgr = cv2.imread(picture)
    if bgr is None:
        sys.exit(f"{picture}: not an image")
    map = edges(network, bgr, int(stride))
    cv2.imwrite(output, np.rint(map * 255).astype(np.uint8))


if __name__ == "__main__":
    main()
