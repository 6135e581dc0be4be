# SPDX-License-Identifier: Apache-2.0
"""The page's pictures as elements: projections, the rotating view with its controls, the lesions' thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from petlesion.page.markup import tag
from petlesion.page.shades import jpeg_address, png_address
from petlesion.page.thumbnails import PIXELS
from petlesion.page.turntable import FRAMES
from petlesion.picture import WINDOW_SUV

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from petlesion.page.drawings import Drawings, View
    from petlesion.page.thumbnails import Thumbnail

BESIDE = 8  # a number's distance from the centroid that it belongs to, in pixels
SIDES = {"R": "right", "L": "left", "A": "front", "P": "back"}


def projections(drawings: Drawings) -> Element:
    """Both projections and the rotating view, side by side."""
    low, high = WINDOW_SUV
    scale = tag(
        "p",
        tag("span", class_="scale grey", aria_hidden="true"),
        f"SUV {low:g} (white) to {high:g} and above (black); mask in red, the largest lesions numbered.",
        class_="legend",
    )
    figures = [_view(view) for view in drawings.views]
    section = tag("section", tag("h2", "Maximum-intensity projections"), scale, class_="pictures")
    section.append(tag("div", *figures, _turntable(drawings), class_="views"))
    return section


def lesions(drawings: Drawings, report: Mapping[str, Any]) -> list[Element]:
    """The thumbnails; none where there is no lesion."""
    if not drawings.thumbnails:
        return []
    words = "Axial slices, each through the largest area of its lesion; the patient's right is on the left. "
    words += (
        "PET in colours over the CT, SUV 0 (transparent) to 10 (white)" if drawings.on_ct else "PET alone, SUV 0 to 10"
    )
    shown, there = len(drawings.thumbnails), len(report["lesions"])
    words += f"; outline of the mask in {'cyan' if drawings.on_ct else 'red'}."
    words += f" Shown are the {shown} largest of {there} lesions." if shown < there else ""
    figures = [_thumbnail(one, report["lesions"][one.number - 1], drawings) for one in drawings.thumbnails]
    return [
        tag(
            "section",
            tag("h2", "Lesions in their slices"),
            tag("p", words, class_="legend"),
            tag("div", *figures, class_="thumbnails on-ct" if drawings.on_ct else "thumbnails"),
            class_="pictures",
        )
    ]


def frame_addresses(drawings: Drawings) -> list[str]:
    """The rotating view's pictures as `data:` addresses, for the page's player."""
    return [png_address(frame) for frame in drawings.frames]


def _view(view: View) -> Element:
    width, height = view.picture.size
    before, after = view.sides
    words = f"{view.title.capitalize()} projection of the PET, {SIDES[before]} to {SIDES[after]}, "
    words += "the mask outlined in red" if view.outline else "without any lesion in the mask"
    picture = _drawing(png_address(view.picture), view.outline, (width, height), words)
    for number, right, down in view.marks:
        mark = tag("text", str(number), x=f"{right + BESIDE:.0f}", y=f"{down - BESIDE:.0f}", class_="number")
        picture.append(mark)
    for side, x, anchor in ((before, 8, "start"), (after, width - 8, "end")):
        picture.append(tag("text", side, x=str(x), y="22", text_anchor=anchor))
    return tag("figure", picture, tag("figcaption", view.title.capitalize()), style=_share(width, height))


def _turntable(drawings: Drawings) -> Element:
    width, height = drawings.frames[0].size
    frame = tag(
        "img",
        src=png_address(drawings.frames[0]),
        width=str(width),
        height=str(height),
        id="frame",
        alt="Projection of the PET from an angle that can be chosen, the mask in red; at first from the front",
    )
    slider = tag(
        "input",
        type="range",
        id="angle",
        min="0",
        max=str(2 * FRAMES - 1),
        value="0",
        aria_label="Angle of the rotating view",
    )
    controls = tag("div", tag("button", "Play", type="button", id="play"), slider, class_="controls", hidden="hidden")
    return tag("figure", frame, controls, tag("figcaption", "Rotating"), style=_share(width, height))


def _share(width: int, height: int) -> str:
    """The share of the row that makes a picture as high as its neighbours."""
    return f"flex: {width / height:.4f} 1 0"


def _thumbnail(one: Thumbnail, lesion: Mapping[str, Any], drawings: Drawings) -> Element:
    address = jpeg_address(one.picture) if drawings.on_ct else png_address(one.picture)
    figures = f"{lesion['volume_ml']:.2f} ml, SUVmax {lesion['suv_max']:.1f}"
    words = f"Axial slice of lesion {one.number}, {figures}, {one.field_mm:.0f} mm wide"
    picture = _drawing(address, one.outline, (PIXELS, PIXELS), words)
    caption = tag("figcaption", tag("b", f"Lesion {one.number}"), tag("span", figures))
    return tag("figure", picture, caption)


def _drawing(address: str, path: str, size: Sequence[int], words: str) -> Element:
    """A picture with an outline over it."""
    width, height = (str(side) for side in size)
    drawing = tag("svg", viewBox=f"0 0 {width} {height}", width=width, height=height, role="img", aria_label=words)
    drawing.append(tag("image", href=address, width=width, height=height))
    if path:
        drawing.append(tag("path", d=path))
    return drawing
