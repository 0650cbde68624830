"""Shadows of small bodies: what each adds to the rays of a flat image that pass near it."""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.chords import Rays
from geometry.kernels.compiling import kernel, law

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@law
def _before(place: float) -> float:
    """Share of a shadow, of which half is before 0, that falls before a place; its size is 1."""
    place = min(max(place, -1.0), 1.0)
    return 0.5 * (1.0 + place) ** 2 if place < 0.0 else 1.0 - 0.5 * (1.0 - place) ** 2


@kernel
def add_shadows(
    rays: Rays, bodies: FloatArray, volume: FloatArray, size: FloatArray, image: FloatArray
) -> None:
    """Add to `image` (rows, columns) the mean length, mm, of every pixel's rays in small bodies.

    A body's shadow falls off linearly to either side up to its size, so that bodies on a grid of
    that spacing cast an even one. Over all pixels it is the body's volume; what falls beside the
    image is lost.

    Parameters
    ----------
    bodies : (k, 3) mm, their centres, in front of the source
    volume : (k,) mm3
    size : (k,) mm
    """
    source, corner, across, down = rays.source, rays.corner, rays.across, rays.down
    rows, columns = image.shape
    pitch = math.sqrt((down * down).sum())
    nx, ny, nz = (
        (down[1] * across[2] - down[2] * across[1]) / (pitch * pitch),
        (down[2] * across[0] - down[0] * across[2]) / (pitch * pitch),
        (down[0] * across[1] - down[1] * across[0]) / (pitch * pitch),
    )
    away = ((corner - source) * np.array([nx, ny, nz])).sum()
    for k in range(len(volume)):
        x, y, z = bodies[k, 0] - source[0], bodies[k, 1] - source[1], bodies[k, 2] - source[2]
        depth = x * nx + y * ny + z * nz
        scale = away / depth
        if scale < 1.0:  # behind the source, or behind the detector
            continue
        hx, hy, hz = (
            source[0] + scale * x - corner[0], source[1] + scale * y - corner[1],
            source[2] + scale * z - corner[2],
        )  # fmt: skip
        row = (hx * down[0] + hy * down[1] + hz * down[2]) / (pitch * pitch)
        column = (hx * across[0] + hy * across[1] + hz * across[2]) / (pitch * pitch)
        half = size[k] * scale / pitch
        # the ray is longer by its slant, and a pixel wider than what lies before it by the scale
        slant = math.sqrt(x * x + y * y + z * z) / depth
        weight = volume[k] * slant * (scale / pitch) ** 2
        # a pixel reaches half of itself to either side of its centre
        i0, i1 = max(math.floor(row - half + 0.5), 0), min(math.ceil(row + half + 0.5), rows)
        j0, j1 = (
            max(math.floor(column - half + 0.5), 0), min(math.ceil(column + half + 0.5), columns),
        )  # fmt: skip
        above = _before((i0 - 0.5 - row) / half)
        for i in range(i0, i1):
            below = _before((i + 0.5 - row) / half)
            part = weight * (below - above)
            above = below
            left = _before((j0 - 0.5 - column) / half)
            for j in range(j0, j1):
                right = _before((j + 0.5 - column) / half)
                image[i, j] += part * (right - left)
                left = right
