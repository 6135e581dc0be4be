# SPDX-License-Identifier: Apache-2.0
"""Values as pictures: SUV and Hounsfield units to shades, shades to PNG or JPEG, these to `data:` addresses."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Picture = Image.Image

WINDOW_HU = (-160.0, 240.0)  # soft tissue
MASK_RGB = (214, 39, 40)
TINT = 0.55  # how much of a shade under the mask is the mask's colour
LEVELS = 128
# Corners of the colour scale of PET over CT: black, red, orange, yellow, white, at equal steps.
HOT_RGB = np.array([(0, 0, 0), (176, 0, 0), (255, 110, 0), (255, 220, 60), (255, 255, 255)], np.float32)


def shade(values: NDArray[Any], window: tuple[float, float]) -> NDArray[np.float32]:
    """Values as a share of a window, float32 within [0, 1]."""
    low, high = window
    share: NDArray[np.float32] = np.clip((values.astype(np.float32) - low) / (high - low), 0, 1)
    return share


def inverse_grey(share: NDArray[np.float32]) -> Picture:
    """A grey picture, (rows, columns): 0 white, 1 black."""
    return Image.fromarray(np.round(255 * (1 - share)).astype(np.uint8))


def fused(ct_share: NDArray[np.float32], pet_share: NDArray[np.float32]) -> Picture:
    """PET in colours over CT in grey, both (rows, columns); where there is no uptake the CT is left as it is."""
    at = pet_share * (len(HOT_RGB) - 1)
    below = np.minimum(at.astype(np.intp), len(HOT_RGB) - 2)
    hot = HOT_RGB[below] + (at - below)[..., None] * (HOT_RGB[below + 1] - HOT_RGB[below])
    opacity = 0.75 * np.sqrt(pet_share)[..., None]
    colours = (1 - opacity) * 255 * ct_share[..., None] + opacity * hot
    return Image.fromarray(np.round(colours).astype(np.uint8))


def tinted(share: NDArray[np.float32], mask: NDArray[np.bool_]) -> Picture:
    """A grey picture as by `inverse_grey`, in the mask's colour where the mask is; with a palette, so small."""
    picture = Image.fromarray((np.round((LEVELS - 1) * share) + LEVELS * mask).astype(np.uint8))
    greys = np.repeat(255 * (1 - np.linspace(0, 1, LEVELS))[:, None], 3, axis=1)
    palette = np.concatenate([greys, (1 - TINT) * greys + TINT * np.array(MASK_RGB)])
    picture.putpalette(np.round(palette).astype(np.uint8).tobytes())
    return picture


def resized(picture: Picture, width: int, height: int) -> Picture:
    """The picture in another size, smooth."""
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def png_address(picture: Picture) -> str:
    """The picture as the `data:` address of a PNG."""
    return _address(picture, "PNG", optimize=True)


def jpeg_address(picture: Picture) -> str:
    """The picture as the `data:` address of a JPEG, with colours as fine as shades."""
    return _address(picture, "JPEG", quality=85, subsampling=0)


def _address(picture: Picture, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
