"""The local veins of the spine: segmental, foraminal, epidural, vertebral body, paraspinal.

They are drawn room by room into one sketch, thinned, settled between bone, dural sac and root
sleeves, and added to the network, whose trunks must be there.
"""

import numpy as np

from geometry.calibres import Calibres
from geometry.clearance import obstacles_of
from geometry.epidural import draw_epidural
from geometry.finishing import finish
from geometry.foramen_magnum import draw_foramen_magnum
from geometry.foraminal import draw_foraminal
from geometry.joins import Joins
from geometry.network import NetworkBuilder
from geometry.paraspinal import draw_anterior_external, draw_posterior_external
from geometry.segmental import draw_segmental
from geometry.skeleton import Skeleton
from geometry.sketch import VeinSketch
from geometry.variants import Variant, prevalence
from geometry.vertebral_body import draw_vertebral_bodies


def build_plexuses(
    builder: NetworkBuilder,
    skeleton: Skeleton,
    calibres: Calibres,
    variant: Variant,
    rng: np.random.Generator,
    joins: Joins,
) -> None:
    """Add all local veins to `builder`; the trunks' joins must be in `joins`.

    Adds the joins foramen_medial, foramen_lateral (lists, by root), epidural_top and the
    segmental, basivertebral and external nodes named in the rooms.
    """
    foraminal, epidural, bodies, external, thinning = rng.spawn(5)
    sketch = VeinSketch(calibres)
    draw_segmental(sketch, skeleton, variant, builder, joins)
    draw_foraminal(sketch, skeleton, variant, builder, joins, foraminal)
    draw_epidural(sketch, skeleton, variant, epidural)
    draw_foramen_magnum(sketch, skeleton, builder, joins)
    draw_anterior_external(sketch, skeleton, builder, joins, external)
    draw_posterior_external(sketch, skeleton, builder, joins, external)
    draw_vertebral_bodies(sketch, skeleton, bodies)
    sketch.thin(1.0 - variant.strand_probability, thinning, usual=1.0 - prevalence("strand"))
    finish(sketch, obstacles_of(skeleton), builder, joins)
