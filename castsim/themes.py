"""Colours of pictures: on white, on black, and for paper.

The cast goes by a stretch of a map that is uniform to the eye and told apart whatever one's colour
vision (inferno of van der Walt and Smith, "A better default colormap", SciPy 2015). It is cut so
that it begins well off black and, on black, off the veins, and ends before the yellow of the root.
Veins keep to cool hues that differ in lightness as well; roots are yellow and bone is grey.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from geometry.structures import Compartment

SCALE_STEPS = 64
"""Colours of a scale."""


@dataclass(frozen=True)
class Theme:
    """Colours, each ``#rrggbb``, and opacities, 0 to 1.

    Attributes
    ----------
    paper, card : behind the scene; behind heading and legend
    ink, soft, rule : of words, of lesser words, of lines
    alarm : behind words that nobody may overlook, written in the colour of the paper
    root, other_roots, catheter, tip, sac, bone : of what bears the name
    veins : of every compartment
    vein_opacity, sac_opacity, bone_opacity : of walls seen face on
    scale_map, scale_from, scale_to : the stretch of a matplotlib map that colours the cast
    """

    paper: str
    card: str
    ink: str
    soft: str
    rule: str
    alarm: str
    root: str
    other_roots: str
    catheter: str
    tip: str
    sac: str
    bone: str
    veins: Mapping[Compartment, str]
    vein_opacity: float
    sac_opacity: float
    bone_opacity: float
    scale_map: str
    scale_from: float
    scale_to: float

    @property
    def scale(self) -> tuple[str, ...]:
        """Colours from the first to the last agent."""
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        ramp = colormaps[self.scale_map]
        share = (step / (SCALE_STEPS - 1) for step in range(SCALE_STEPS))
        return tuple(
            to_hex(ramp(self.scale_from + s * (self.scale_to - self.scale_from))) for s in share
        )


_VEINS = {
    Compartment.EPIDURAL: "#0d97a3",
    Compartment.VERTEBRAL_BODY: "#cc6fae",
    Compartment.FORAMINAL: "#1b5ae0",
    Compartment.EXTERNAL: "#4c9a47",
    Compartment.SEGMENTAL: "#4db2ff",
    Compartment.INTERSEGMENTAL: "#66798c",
    Compartment.AZYGOS: "#3f46b0",
    Compartment.NECK: "#a04fcb",
    Compartment.GREAT: "#8d98b8",
    Compartment.HAZARD: "#c2337f",
}
_DARK_VEINS = {
    Compartment.EPIDURAL: "#35d0d8",
    Compartment.VERTEBRAL_BODY: "#eb9fd4",
    Compartment.FORAMINAL: "#5b93ff",
    Compartment.EXTERNAL: "#78c971",
    Compartment.SEGMENTAL: "#8fd0ff",
    Compartment.INTERSEGMENTAL: "#a3b4c6",
    Compartment.AZYGOS: "#8f84ff",
    Compartment.NECK: "#d29bf5",
    Compartment.GREAT: "#a9b3d0",
    Compartment.HAZARD: "#f06db0",
}

THEMES: Mapping[str, Theme] = {
    "light": Theme(
        paper="#ffffff", card="#f6f7f9", ink="#1b1f27", soft="#566072", rule="#d5dae3",
        alarm="#b3001b",
        root="#f5bd08", other_roots="#f1df8e", catheter="#0a2a17", tip="#10d878",
        sac="#c98fb4", bone="#a8a5a0", veins=_VEINS,
        vein_opacity=0.42, sac_opacity=0.18, bone_opacity=0.18,
        scale_map="inferno", scale_from=0.28, scale_to=0.66,
    ),
    "dark": Theme(
        paper="#101318", card="#1a1f27", ink="#eef1f6", soft="#a3adbd", rule="#39414d",
        alarm="#ff8f8f",
        root="#fff04a", other_roots="#8f8440", catheter="#45d483", tip="#c8ffe0",
        sac="#a8709a", bone="#b8b8bc", veins=_DARK_VEINS,
        vein_opacity=0.36, sac_opacity=0.20, bone_opacity=0.22,
        scale_map="inferno", scale_from=0.50, scale_to=0.80,
    ),
    "print": Theme(
        paper="#ffffff", card="#ffffff", ink="#000000", soft="#333333", rule="#9a9a9a",
        alarm="#b3001b",
        root="#ffcc00", other_roots="#f0e2a0", catheter="#06210f", tip="#00c862",
        sac="#b9a3b1", bone="#a3a3a3", veins=_VEINS,
        vein_opacity=0.34, sac_opacity=0.12, bone_opacity=0.14,
        scale_map="inferno", scale_from=0.28, scale_to=0.66,
    ),
}  # fmt: skip
"""For screens, for projection in the dark, and for paper, with less ink."""
