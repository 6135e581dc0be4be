# SPDX-License-Identifier: Apache-2.0
"""The anatomy of a synthetic patient: organs as shapes, drawn at random around a reference adult.

Reference positions are millimetres below the crown of a 1.75 m adult (z = 0 at the crown, x to the left, y to the
back). They are textbook proportions, not measurements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import Tracer
from petlesion.phantom.organs import Organ
from petlesion.phantom.patient import Body, Sketch
from petlesion.phantom.placement import Placement
from petlesion.phantom.shapes import Bands, Chain, Ellipsoid, Trunk

if TYPE_CHECKING:
    from petlesion.volume import Grid, Triple


def draw_body(tracer: Tracer, rng: np.random.Generator, grid: Grid) -> Body:
    """Draw a patient lying in a grid: crown near its upper end, centred in x and y.

    PSMA patients are men, and their field of view often begins below the crown.
    """
    sketch = Sketch(rng)
    male = tracer is Tracer.PSMA or rng.random() < 0.6
    for part in (_outline, _arms, _skeleton, _chest, _abdomen, _bowel, _vessels, _head):
        part(sketch)
    _pelvic_organs(sketch, male=male)
    _couch(sketch)
    low, high = grid.bounds_mm()
    above = rng.uniform(-90, 30) if tracer is Tracer.PSMA and rng.random() < 0.5 else rng.uniform(5, 40)
    crown = (
        (low[0] + high[0]) / 2 + rng.normal(0, 6),
        (low[1] + high[1]) / 2 + rng.normal(0, 10),
        high[2] - above,
    )
    scale = float(np.clip(rng.normal(1.0 if male else 0.94, 0.04), 0.84, 1.12))
    placement = Placement.upright((float(crown[0]), float(crown[1]), float(crown[2])), scale)
    return Body(tuple(sketch.made), placement, sketch.girth)


def _outline(sketch: Sketch) -> None:
    g, fat = sketch.girth, sketch.fat_mm
    belly = fat * sketch.rng.uniform(0.4, 1.0)
    torso = Trunk(
        (
            (-905, 0, 12, 150 * g + fat, 84 * g + fat),
            (-860, 0, 10, 162 * g + fat, 95 * g + fat),
            (-800, 0, 8, 160 * g + fat, 96 * g + fat),
            (-700, 0, -belly / 2, 142 * g + fat, 92 * g + fat + belly / 2),
            (-620, 0, -belly / 2, 140 * g + fat, 96 * g + fat + belly / 2),
            (-520, 0, 0, 146 * g + 0.6 * fat, 104 * g + 0.7 * fat),
            (-400, 0, 5, 156 * g + 0.6 * fat, 102 * g + 0.6 * fat),
            (-330, 0, 15, 160 * g + 0.5 * fat, 82 * g + 0.5 * fat),
            (-295, 0, 22, 120, 68),
            (-265, 0, 22, 70, 62),
            (-230, 0, 15, 60, 60),
        ),
        power=2.5,
    )
    onion = ((0.0, Organ.FAT), (0.75 * fat, Organ.MUSCLE))
    for side in (-1, 1):
        hip, knee = (side * 88 * g, 12, -850), (side * (78 + 0.3 * fat), 18, -1260)
        thigh = Chain((sketch.near(3, *hip), sketch.near(6, *knee)), (72 * g + 0.5 * fat, 48 + 0.3 * fat))
        sketch.add(thigh, ((0.0, Organ.FAT), (0.5 * fat, Organ.MUSCLE)))
    sketch.add(torso, onion)
    thin = ((0.0, Organ.FAT), (4.0, Organ.MUSCLE))
    sketch.add(Chain(((0, 15, -180), (0, 25, -300)), (58, 64)), thin)
    sketch.add(Ellipsoid((0, -18, -150), (66, 78, 82)), thin)
    sketch.add(Ellipsoid((0, 2, -98), (79, 98, 97)), ((0.0, Organ.FAT), (4.0, Organ.MUSCLE)))
    cavity = Ellipsoid((0, -15 - belly / 3, -650), (118 * g, 74 * g + belly / 2, 175))
    sketch.add(cavity, ((0.0, Organ.FAT),), (Organ.MUSCLE,))


def _arms(sketch: Sketch) -> None:
    pose = sketch.rng.choice(["up", "down", "absent"], p=[0.55, 0.35, 0.1])
    g = sketch.girth
    for side in (-1, 1):
        shoulder = (side * 150 * g, 22, -325)
        sketch.add(Ellipsoid(shoulder, (52, 48, 52)), ((0.0, Organ.FAT), (8.0, Organ.MUSCLE)))
        if pose == "absent":
            continue
        up = ((side * 215, 10, -90), (side * 105, -30, 130))
        down = ((side * (215 * g + 25), 35, -620), (side * (205 * g + 25), 0, -880))
        elbow, wrist = (sketch.near(12, *p) for p in (up if pose == "up" else down))
        arm = Chain((shoulder, elbow, wrist), (48, 38, 27))
        sketch.add(arm, ((0.0, Organ.FAT), (7.0, Organ.MUSCLE)))
        sketch.add(Chain((shoulder, elbow, wrist), (13, 12, 9)), ((0.0, Organ.BONE), (4.0, Organ.MARROW)))


def _skeleton(sketch: Sketch) -> None:
    bone = ((0.0, Organ.BONE), (4.0, Organ.MARROW))
    spine = (
        (0, 28, -165),
        (0, 32, -230),
        (0, 48, -300),
        (0, 68, -420),
        (0, 58, -560),
        (0, 40, -690),
        (0, 55, -745),
    )
    spine_at = tuple(sketch.near(2, *p) for p in spine)
    sketch.add(Chain(spine_at, (11, 12, 14, 17, 20, 23, 22)), bone)
    back = tuple((x, y + 32 + 6 * (z < -300), z) for x, y, z in spine_at)
    sketch.add(Chain(back, (8, 9, 9, 10, 11, 11, 10)), ((0.0, Organ.BONE), (3.0, Organ.MARROW)))
    sketch.add(Ellipsoid((0, 72, -775), (48, 20, 52), (-0.35, 0, 0)), bone)
    for side in (-1, 1):
        sketch.add(Ellipsoid((side * 82, 42, -745), (11, 52, 58), (0.2, side * 0.35, side * -0.55)), bone)
        sketch.add(Chain(((side * 84, 15, -800), (side * 88, 8, -835)), (26, 30)), bone)
        sketch.add(Chain(((side * 75, -22, -825), (side * 12, -38, -865)), (11, 12)), bone)
        sketch.add(Chain(((side * 72, 30, -850), (side * 48, 42, -890), (side * 15, -34, -870)), (14, 13, 9)), bone)
        hip, neck, knee = (side * 90, 10, -836), (side * 135, 15, -868), (side * 84, 14, -1270)
        sketch.add(Chain((hip, neck), (23, 15)), bone)
        sketch.add(Chain((neck, (side * 128, 8, -930), knee), (19, 14, 15)), ((0.0, Organ.BONE), (6.0, Organ.MARROW)))
        sketch.add(Chain(((side * 12, -40, -318), (side * 145, 10, -300)), (8, 8)), bone)
        sketch.add(Ellipsoid((side * 108, 88, -390), (42, 6, 62), (0, 0, side * -0.5)), ((0.0, Organ.BONE),))


def _chest(sketch: Sketch) -> None:
    g = sketch.girth
    depth = 92 * g
    cage = Ellipsoid((0, 8, -435), (138 * g, depth + 4, 190))
    sketch.add(Bands(cage, 9.0, 29.0, 12.0), ((0.0, Organ.BONE),), (Organ.MUSCLE, Organ.FAT))
    sketch.add(Ellipsoid((0, 8 - depth, -400), (16, 8, 85), (0.15, 0, 0)), ((0.0, Organ.BONE), (3.0, Organ.MARROW)))
    height = sketch.rng.uniform(115, 140)
    for side in (-1, 1):
        lung = sketch.ellipsoid((side * 70 * g, 15, -285 - height), (57 * g, 76 * g, height), vary=0.04)
        sketch.add(lung, ((0.0, Organ.LUNG),))
    sketch.add(Ellipsoid((0, 20, -395), (30, 70, 130)), ((0.0, Organ.FAT),), (Organ.LUNG,))
    sketch.tube(Organ.AIRWAY, ((0, -12, -215), (0, 5, -300), (0, 18, -375)), 8.5)
    for side in (-1, 1):
        sketch.tube(Organ.AIRWAY, ((0, 18, -372), (side * 38, 24, -405)), 6.5)
    sketch.tube(Organ.MUCOSA, ((0, 26, -290), (2, 36, -400), (12, 30, -530)), 6.0)
    for side in (-1, 1):
        if sketch.rng.random() < 0.35:  # reactive nodes of the lung roots and worn shoulders take up tracer, too
            sketch.blob(Organ.MUCOSA, (side * 36, 22, -415), (6, 6, 8), vary=0.3)
        if sketch.rng.random() < 0.2:
            sketch.blob(Organ.MUCOSA, (side * 152 * g, 22, -325), (14, 12, 18), vary=0.3)
    tilt = (0.3, 0.6 + sketch.rng.normal(0, 0.1), 0.2)
    centre = sketch.near(5, 28, -28, -462)
    size = sketch.rng.uniform(0.88, 1.12)
    sketch.add(Ellipsoid(sketch.near(4, 0, -15, -440), (52, 42, 50)), ((0.0, Organ.BLOOD),), (Organ.LUNG, Organ.FAT))
    heart = Ellipsoid(centre, (44 * size, 38 * size, 56 * size), tilt)
    sketch.add(heart, ((0.0, Organ.MYOCARDIUM), (10.0, Organ.BLOOD)))


def _abdomen(sketch: Sketch) -> None:
    g = sketch.girth
    sketch.blob(Organ.LIVER, (-68 * g, -5, -568), (78 * g, 76 * g, 80), turn=0.2)
    sketch.blob(Organ.LIVER, (5, -38, -540), (78, 42, 36), turn=-0.15)
    sketch.blob(Organ.GALLBLADDER, (-55, -52, -618), (15, 15, 26))
    sketch.blob(Organ.SPLEEN, (100 * g, 42, -560), (25, 42, 48), turn=-0.2, vary=0.12)
    stomach = sketch.ellipsoid((62, -12, -560), (36, 42, 48), turn=0.4, vary=0.15)
    sketch.add(stomach, ((0.0, Organ.STOMACH), (9.0, Organ.CONTENT)))
    sketch.tube(Organ.STOMACH, ((55, -35, -595), (20, -50, -615), (-22, -38, -612)), 18)
    sketch.tube(Organ.PANCREAS, ((-25, -12, -635), (15, -15, -618), (55, 5, -598), (80, 22, -585)), 11)
    for side in (-1, 1):
        base = sketch.near(5, side * 66, 48, -632 if side > 0 else -646)
        kidney = sketch.ellipsoid(base, (27, 27, 54), turn=side * 0.2)
        sketch.add(kidney, ((0.0, Organ.KIDNEY),))
        inner = (base[0] - side * 8, base[1] - 4, base[2])
        sketch.add(sketch.ellipsoid(inner, (9, 10, 24), vary=0.25), ((0.0, Organ.URINE),))
        sketch.tube(Organ.ADRENAL, ((side * 38, 38, -585), (side * 50, 46, -598)), 4.5)
        _ureter(sketch, side, inner)
        sketch.tube(Organ.GANGLION, ((side * 15, 22, -595), (side * 17, 24, -607)), 2.5)


def _ureter(sketch: Sketch, side: int, start: Triple) -> None:
    """Ureters are seen in pieces, where peristalsis left urine."""
    way = (start, (side * 36, 25, -690), (side * 40, 30, -760), (side * 32, 25, -815))
    for link in Chain(tuple(sketch.near(3, *p) for p in way), (3.0, 2.5, 2.5, 2.5)).links():
        if sketch.rng.random() < 0.45:
            sketch.add(link, ((0.0, Organ.URINE),))


def _bowel(sketch: Sketch) -> None:
    g = sketch.girth
    rise = ((-98 * g, 5, -770), (-108 * g, 12, -700), (-105 * g, 8, -650))
    across = (
        (-105 * g, 8, -650),
        (-55, -58 * g, -660),
        (0, -66 * g, -672),
        (55, -55 * g, -640),
        (108 * g, 20, -618),
    )
    fall = (
        (108 * g, 20, -618),
        (112 * g, 22, -700),
        (95 * g, 5, -765),
        (35, 15, -795),
        (0, 48, -810),
        (0, 48, -880),
    )
    for way in (rise, across, fall):
        sketch.tube(Organ.COLON, way, sketch.rng.uniform(15, 20), wander=6)
    loops = [(0.0, -30.0, -650.0)]
    for _ in range(34):
        step = sketch.rng.normal(0, 32, 3) * (1.2, 0.7, 1.0)
        spot = np.clip(loops[-1] + step, (-78 * g, -58 * g, -795), (78 * g, 2, -648))
        loops.append((float(spot[0]), float(spot[1]), float(spot[2])))
    sketch.tube(Organ.SMALL_BOWEL, tuple(loops), 11, wander=1)
    bend = ((-22, -36, -614), (-42, -12, -630), (-40, 4, -668), (-5, 12, -682), (25, -5, -655))
    sketch.tube(Organ.DUODENUM, bend, 11.5, wander=3)


VESSELS: tuple[tuple[tuple[Triple, ...], float], ...] = (
    (
        (
            (-8, -15, -420),
            (-12, -15, -375),
            (5, 10, -358),
            (20, 35, -375),
            (20, 44, -450),
            (8, 30, -560),
            (6, 18, -700),
        ),
        12.0,
    ),
    (((-18, 0, -430), (-22, -5, -330)), 10.0),
    (((-16, 16, -540), (-18, 18, -620), (-14, 20, -700)), 11.0),
    (((4, 18, -700), (34, 28, -745), (58, -5, -815), (82, -48, -880), (90, -20, -1050)), 6.5),
    (((-4, 18, -700), (-34, 28, -745), (-58, -5, -815), (-82, -48, -880), (-90, -20, -1050)), 6.5),
    (((34, 28, -745), (52, 45, -800)), 5.0),
    (((-34, 28, -745), (-52, 45, -800)), 5.0),
    (((14, 0, -350), (34, 0, -270), (38, 0, -190)), 5.5),
    (((-14, 0, -350), (-34, 0, -270), (-38, 0, -190)), 5.5),
    (((22, -5, -320), (75, 15, -305), (140, 30, -350)), 5.5),
    (((-22, -5, -320), (-75, 15, -305), (-140, 30, -350)), 5.5),
)
"""Courses of the great vessels, with their radius in mm: aorta, caval veins, iliac, neck and subclavian vessels."""


def _vessels(sketch: Sketch) -> None:
    for way, radius in VESSELS:
        sketch.tube(Organ.BLOOD, way, radius)


def _head(sketch: Sketch) -> None:
    skull = Ellipsoid((0, 4, -92), (73, 91, 88))
    sketch.add(skull, ((0.0, Organ.BONE), (7.0, Organ.WHITE_MATTER)))
    brain = sketch.ellipsoid((0, 4, -86), (65, 82, 76), vary=0.02)
    sketch.add(brain, ((0.0, Organ.BRAIN), (17.0, Organ.WHITE_MATTER)), (Organ.WHITE_MATTER,))
    for side in (-1, 1):
        sketch.blob(Organ.BRAIN, (side * 17, 2, -92), (12, 22, 14))
        sketch.blob(Organ.BRAIN, (side * 24, 50, -140), (24, 24, 20))
        sketch.add(
            Chain(((side * 52, 10, -165), (side * 45, -25, -205), (0, -72, -215)), (7, 7, 8)),
            ((0.0, Organ.BONE),),
        )
        sketch.add(Ellipsoid((side * 30, -78, -100), (13, 13, 13)), ((0.0, Organ.MUSCLE),))
        sketch.blob(Organ.LACRIMAL, (side * 42, -72, -88), (5, 6, 8))
        sketch.blob(Organ.PAROTID, (side * 58, 4, -165), (12, 19, 27))
        sketch.blob(Organ.SUBMANDIBULAR, (side * 32, -30, -212), (11, 16, 13))
        sketch.blob(Organ.THYROID, (side * 17, -22, -268), (9, 10, 22))
        sketch.add(Ellipsoid((side * 22, -62, -140), (15, 18, 17)), ((0.0, Organ.AIRWAY),))
        sketch.blob(Organ.MUCOSA, (side * 17, -18, -182), (7, 9, 11))
    sketch.add(Ellipsoid((0, -70, -178), (30, 22, 9)), ((0.0, Organ.BONE),))
    sketch.blob(Organ.MUCOSA, (0, -45, -190), (22, 26, 16))
    sketch.add(Chain(((0, -50, -135), (0, -12, -150), (0, -8, -215)), (12, 9, 8)), ((0.0, Organ.AIRWAY),))


def _pelvic_organs(sketch: Sketch, *, male: bool) -> None:
    fill = float(sketch.rng.uniform(0.7, 1.35))
    base = -858.0
    sketch.blob(Organ.BLADDER, (0, -12, base + 36 * fill), (42 * fill, 36 * fill, 32 * fill), vary=0.1)
    if male:
        sketch.blob(Organ.PROSTATE, (0, 0, base - 14), (23, 17, 18), vary=0.15)
        if sketch.rng.random() < 0.3:
            sketch.tube(Organ.URINE, ((0, -5, base - 10), (0, -18, base - 45)), 2.2)
    else:
        sketch.blob(Organ.MUSCLE, (0, 30, base + 45), (28, 24, 34))


def _couch(sketch: Sketch) -> None:
    """A hollow board under the back; as the last structure it takes only what is still air."""
    back = 8 + 97 * sketch.girth + 0.85 * sketch.fat_mm
    knots = ((-1600.0, 0.0, back + 24, 215.0, 22.0), (500.0, 0.0, back + 24, 215.0, 22.0))
    sketch.add(Trunk(knots, power=4.0), ((0.0, Organ.TABLE), (4.0, Organ.AIR)), (Organ.AIR,))
