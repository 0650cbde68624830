"""Foraminal plexus: strands all round the root sleeve, tied by circumferential links.

Looking from the side into a right foramen (theta = 0 cranial, + anterior)::

        superior main
      o       O       o          strands run along the sleeve, 1-2 mm outside it; the two
     posterior (sleeve)  O       main ones lie above and in front. Medially three of them go on
      o               anterior   to the epidural columns, laterally three to the segmental vein
          o       o     main     (neck: the vertebral vein).
"""

import numpy as np
from numpy.typing import NDArray

from geometry.joins import Joins
from geometry.levels import ROOTS, SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.root_sleeve import RootSleeve
from geometry.skeleton import Skeleton
from geometry.sketch import POINT_STEP_MM, Label, VeinSketch
from geometry.structures import Structure
from geometry.variants import Variant

FloatArray = NDArray[np.float64]

MAIN = (0, 1)
"""Strands that are main ones: the superior and the next, anterior one."""
KINDS = ("anterior", "posterior", "great")


def draw_foraminal(
    sketch: VeinSketch,
    skeleton: Skeleton,
    variant: Variant,
    builder: NetworkBuilder,
    joins: Joins,
    rng: np.random.Generator,
) -> None:
    """Draw the plexus of every foramen; names foramen_medial and foramen_lateral nodes.

    Segmental veins must be there. Medial nodes are listed superior, anterior, posterior.
    """
    hazards = _hazards(variant, rng)
    for root in ROOTS:
        for side in SIDES:
            sleeve = skeleton.root_sleeve(root, side)
            rings, theta = _draw_strands(sketch, sleeve, rng)
            _draw_medial(sketch, sleeve, rings[0], theta)
            if root <= Level.C8:
                target = sketch.anchor(builder, joins["vertebral_vein", root, side])
            else:
                (target,) = sketch.named_nodes("segmental_junction", root, side)
            label = Label(Structure.FORAMINAL, root, side, part="main", firm=True)
            lateral = rings[-1]
            for strand in (0, 1, 2):
                sketch.name("foramen_lateral", root, side, lateral[strand])
                sketch.link(label, lateral[strand], target)
                label = Label(Structure.FORAMINAL, root, side)
            for kind in KINDS:
                if (root, side) in hazards[kind]:
                    _draw_radiculomedullary(sketch, sleeve, rings[0], theta, kind)


def _hazards(variant: Variant, rng: np.random.Generator) -> dict[str, set[tuple[Level, Side]]]:
    """Roots with a radiculomedullary vein, by kind: the mean number, at random roots."""
    layout = plexus_layout()
    every = [(root, side) for root in ROOTS for side in SIDES]
    hazards = {"great": {variant.great_radiculomedullary}}
    for kind in ("anterior", "posterior"):
        count = round(layout[f"radiculomedullary_{kind}_probability"] * len(every))
        hazards[kind] = {every[i] for i in rng.choice(len(every), size=count, replace=False)}
    return hazards


def _draw_strands(
    sketch: VeinSketch, sleeve: RootSleeve, rng: np.random.Generator
) -> tuple[list[list[int]], FloatArray]:
    """Draw strands and rings; return the nodes of each ring and the strands' angles."""
    layout = plexus_layout()
    root, side = sleeve.root, sleeve.side
    gap = layout["strand_gap_least"], layout["strand_gap_most"]
    circle = 2 * np.pi * (sleeve.radius + sum(gap) / 2)
    least, most = int(layout["strands_least"]), int(layout["strands_most"])
    count = min(max(round(circle / layout["strand_spacing"]), least), most)
    at = np.array([layout[f"ring_{third}"] for third in ("medial", "middle", "lateral")])
    shape = (len(at), count)
    theta = np.radians(layout["strand_first_deg"]) + 2 * np.pi * np.arange(count) / count
    theta = theta + np.radians(layout["strand_jitter_deg"]) * rng.uniform(-1, 1, shape)
    rho = sleeve.radius + rng.uniform(*gap, shape)
    fraction = at[:, None] + layout["ring_jitter"] * rng.uniform(-1, 1, shape)
    place = np.stack([fraction, rho, theta], axis=-1)  # (ring, strand, 3)
    xyz = sleeve.surround(fraction.ravel(), rho.ravel(), theta.ravel())
    nodes = [sketch.node(point) for point in xyz]
    rings = [nodes[i * count : (i + 1) * count] for i in range(len(at))]
    scale = np.exp(layout["calibre_jitter_sd_ln"] * rng.standard_normal((2, *shape)))

    veins: list[tuple[Label, int, int, FloatArray]] = []
    for i in range(len(at) - 1):
        for strand in range(count):
            part = "main" if strand in MAIN else ""
            label = Label(
                Structure.FORAMINAL, root, side, part=part, scale=float(scale[0, i, strand])
            )
            way = _between(sleeve, place[i, strand], place[i + 1, strand])
            veins.append((label, rings[i][strand], rings[i + 1][strand], way))

    left_out = rng.permutation(count)[: len(at)]  # one gap a ring, never at the same place
    for i, ring in enumerate(rings):
        for strand in range(count):
            if strand == left_out[i]:
                continue
            after = (strand + 1) % count
            turn = np.array([0.0, 0.0, 2 * np.pi * (after == 0)])
            way = _between(sleeve, place[i, strand], place[i, after] + turn)
            ring_scale = layout["ring_scale"] * float(scale[1, i, strand])
            label = Label(Structure.FORAMINAL, root, side, scale=ring_scale)
            veins.append((label, ring[strand], ring[after], way))

    ways = np.concatenate([way for _, _, _, way in veins])
    points = sleeve.surround(ways[:, 0], ways[:, 1], ways[:, 2])
    last = 0
    for label, start, end, way in veins:
        first, last = last, last + len(way)
        sketch.vein(label, start, end, points[first:last])
    return rings, theta[0]


def _between(sleeve: RootSleeve, one: FloatArray, two: FloatArray) -> FloatArray:
    """Inner places (k, 3) of a vein about the sleeve, between two (fraction, rho, theta)."""
    step = (two - one) * [sleeve.length, 1.0, one[1]]
    pieces = max(round(float(np.linalg.norm(step)) / POINT_STEP_MM), 1)
    t = (np.arange(1, pieces) / pieces)[:, None]
    return np.asarray(one + t * (two - one))


def _draw_medial(
    sketch: VeinSketch, sleeve: RootSleeve, ring: list[int], theta: FloatArray
) -> None:
    """Name the strands that go on to the epidural columns: superior, anterior, posterior."""
    turned = np.mod(theta, 2 * np.pi)
    posterior = int(np.abs(turned - 1.5 * np.pi).argmin())
    for strand in (0, 1, posterior):
        sketch.name("foramen_medial", sleeve.root, sleeve.side, ring[strand])


def _draw_radiculomedullary(
    sketch: VeinSketch, sleeve: RootSleeve, ring: list[int], theta: FloatArray, kind: str
) -> None:
    """Draw the stub of a radiculomedullary vein from the medial station to the dura."""
    layout = plexus_layout()
    root, side = sleeve.root, sleeve.side
    towards = -np.pi / 2 if kind == "posterior" else np.pi / 2
    away = np.angle(np.exp(1j * (theta - towards)))
    strand = 2 if kind == "great" else int(np.abs(away).argmin())
    calibre = "great" if kind == "great" else ""
    label = Label(Structure.RADICULOMEDULLARY, root, side, part=calibre, firm=True)
    t = np.linspace(0.0, 1.0, 8)[1:]
    start = sketch.node_xyz[ring[strand]]
    fraction, rho, angle = (float(value[0]) for value in sleeve.project(start))
    end_rho = sleeve.radius + layout["radiculomedullary_gap"]
    end_rho += sketch.calibres.radius(Structure.RADICULOMEDULLARY, root, side, part=calibre)
    stub = sleeve.surround(
        fraction + t * (layout["radiculomedullary_end"] - fraction),
        rho + t * (end_rho - rho),
        np.full(len(t), angle),
    )
    nodes = sketch.course(label, np.vstack([start, stub]), start=ring[strand])
    name = f"radiculomedullary {root.name} {side.name.lower()} {kind}"
    sketch.terminal(nodes[-1], TerminalKind.HAZARD, name)
