"""Image corruptions: ten kinds, three strengths each; and synthetic images without a head.

Images are (H, W) float32 in 0 to 255; a corruption returns a new image of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Random = np.random.Generator
Change = Callable[[Picture, int, Random], Picture]


def noise(picture: Picture, strength: int, random: Random) -> Picture:
    return _shown(picture + random.normal(0, (8, 16, 32)[strength], picture.shape))


def blur(picture: Picture, strength: int, _: Random) -> Picture:
    sigma = (0.003, 0.006, 0.01)[strength] * max(picture.shape)
    return _shown(cv2.GaussianBlur(picture, (0, 0), sigma))


def bias_field(picture: Picture, strength: int, random: Random) -> Picture:
    coarse = random.uniform(-1, 1, (3, 3)).astype(np.float32)
    field = cv2.resize(coarse, picture.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return _shown(picture * np.exp((0.3, 0.6, 0.9)[strength] * field))


def rotation(picture: Picture, strength: int, random: Random) -> Picture:
    degrees = (7, 14, 20)[strength] * random.choice([-1, 1])
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(degrees), 1.0)
    return _shown(cv2.warpAffine(picture, matrix, (width, height)))


def low_resolution(picture: Picture, strength: int, _: Random) -> Picture:
    """Return the image reduced to a half, third or quarter of its resolution and enlarged again."""
    height, width = picture.shape
    part = (2, 3, 4)[strength]
    small = cv2.resize(picture, (width // part, height // part), interpolation=cv2.INTER_AREA)
    return _shown(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def jpeg(picture: Picture, strength: int, _: Random) -> Picture:
    _, content = cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, (50, 35, 20)[strength]])
    return _shown(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def gamma(picture: Picture, strength: int, random: Random) -> Picture:
    exponent = (1.4, 1.7, 2.0)[strength] ** random.choice([-1, 1])
    return _shown(255 * (picture / 255) ** exponent)


def inversion(picture: Picture, strength: int, _: Random) -> Picture:
    """Return inverted intensities: of the head alone, of the image, of the image at half the contrast."""
    head = cv2.GaussianBlur(picture, (0, 0), 3) > 20
    turned = 255 - picture
    return _shown((np.where(head, turned, picture), turned, 64 + turned / 2)[strength])


def borders(picture: Picture, strength: int, random: Random) -> Picture:
    out = picture.copy()
    tone = float(random.choice([255, 180, 90]))
    edge = round((0.02, 0.05, 0.09)[strength] * min(picture.shape))
    out[:edge], out[-edge:], out[:, :edge], out[:, -edge:] = tone, tone, tone, tone
    return out


def burnt_in_text(picture: Picture, strength: int, random: Random) -> Picture:
    out = picture.astype(np.uint8)
    size = picture.shape[0] / 512
    for line in range((2, 5, 9)[strength]):
        left = int(random.choice([6, 300]) * size)
        down = int((24 + 50 * line) * size)
        cv2.putText(out, _words(random, 9), (left, down), cv2.FONT_HERSHEY_SIMPLEX, 0.9 * size, 255, 2)
    return _shown(out)


CHANGES: dict[str, Change] = {
    "noise": noise,
    "blur": blur,
    "bias field": bias_field,
    "rotation": rotation,
    "low resolution": low_resolution,
    "JPEG": jpeg,
    "gamma": gamma,
    "inversion": inversion,
    "borders": borders,
    "burnt-in text": burnt_in_text,
}


def image_without_head(kind: str, random: Random) -> Picture:
    """Return an image (256, 256) without a head; ``kind`` is one of NO_HEADS."""
    out = np.full((256, 256), int(random.choice([0, 40, 255])), np.uint8)
    ink = 0 if out[0, 0] > 128 else 255
    if kind == "noise":
        return random.integers(0, 256, out.shape).astype(np.float32)
    if kind == "blank":
        return np.full(out.shape, random.integers(0, 256), np.float32)
    if kind == "text":
        for line in range(9):
            cv2.putText(out, _words(random, 14), (8, 25 + 27 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, 2)
    if kind == "line art":
        for _ in range(int(random.integers(5, 20))):
            ends = [tuple(int(each) for each in random.integers(0, 256, 2)) for _ in range(2)]
            cv2.line(out, ends[0], ends[1], ink, int(random.integers(1, 4)))
    if kind == "objects":
        out[:] = 0
        for _ in range(int(random.integers(1, 4))):
            middle, axes = (tuple(int(each) for each in random.integers(*span, 2)) for span in ((60, 196), (20, 90)))
            cv2.ellipse(out, middle, axes, float(random.integers(180)), 0, 360, int(random.integers(60, 256)), -1)
        return _shown(out + random.normal(0, 6, out.shape))
    return out.astype(np.float32)


NO_HEADS = ("noise", "blank", "text", "line art", "objects")


def _words(random: Random, letters: int) -> str:
    return "".join(random.choice(list("ABCDEFGHIKLMNOPRSTUVWXYZ0123456789 ")) for _ in range(letters))


def _shown(picture: NDArray[np.floating] | NDArray[np.uint8]) -> Picture:
    return np.clip(np.rint(picture), 0, 255).astype(np.float32)
