"""What X-rays meet, and what the C-arm makes of them: numbers of ``data/xray.csv`` in mm.

Attenuations are at one effective energy, coefficients (mu/rho) times density. Agent and contrast
medium take the place of blood; what surrounds their tantalum or iodine attenuates as blood does,
so that what they add is (mu/rho) of the element times its load.
"""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from castsim.agents import agent_name
from castsim.tables import number, read_table
from castsim.units import uL_from_mL

_TABLE = "xray"
_MM_PER_CM = 10.0
_J_PER_KEV = 1.602176634e-16
_MM2_PER_M2 = 1e6
_M2_KG_PER_CM2_G = 0.1
_GRAY_PER_UGY = 1e-6
_MG_PER_G = 1000.0
_PERCENT = 100.0


@dataclass(frozen=True)
class XRay:
    """The C-arm and the patient's tissues.

    Attributes
    ----------
    energy_keV : effective, of the beam
    soft_tissue, cortical_bone, trabecular_bone : attenuation, mm^-1
    iodine_mg_mL : in the contrast medium
    contrast_medium : what that adds to blood undiluted, mm^-1
    shaft, marker : what the wall of a microcatheter, and its platinum, add to blood, mm^-1
    marker_length_mm, marker_wall_mm : of the platinum band at the tip
    bend_radius_mm : of the tightest bend of a microcatheter
    shell_mm : cortex of ``body``, ``pedicle``, ``lamina`` and ``process``
    source_isocentre_mm, source_detector_mm, field_mm : geometry; side of the square field of the
        detector
    zooms_mm : fields to choose from, the largest first
    focal_spot_mm : side
    detector_blur_mm : standard deviation at the detector
    acquisition_per_mm2, roadmap_per_mm2 : photons that one image counts, mean over the detector
    venogram_rate_uL_s, venogram_volume_uL : of contrast medium through a diagnostic catheter
    microcatheter_rate_uL_s, microcatheter_volume_uL : the same through a microcatheter
    """

    energy_keV: float
    soft_tissue: float
    cortical_bone: float
    trabecular_bone: float
    iodine_mg_mL: float
    contrast_medium: float
    shaft: float
    marker: float
    marker_length_mm: float
    marker_wall_mm: float
    bend_radius_mm: float
    shell_mm: MappingProxyType[str, float]
    source_isocentre_mm: float
    source_detector_mm: float
    field_mm: float
    zooms_mm: tuple[float, ...]
    focal_spot_mm: float
    detector_blur_mm: float
    acquisition_per_mm2: float
    roadmap_per_mm2: float
    venogram_rate_uL_s: float
    venogram_volume_uL: float
    microcatheter_rate_uL_s: float
    microcatheter_volume_uL: float


@cache
def _rows() -> MappingProxyType[tuple[str, str], float]:
    rows = read_table(_TABLE)
    return MappingProxyType(
        {(row["item"], row["quantity"]): number(row, "value", table=_TABLE) for row in rows}
    )


@cache
def load_xray() -> XRay:
    """Read the table.

    Examples
    --------
    >>> round(load_xray().soft_tissue, 4)
    0.0217
    """
    at = _rows()

    def attenuation(item: str) -> float:
        return at[item, "mass_attenuation"] * at[item, "density"] / _MM_PER_CM

    fraction = at["trabecular_bone", "bone_fraction"]
    soft, cortical = attenuation("soft_tissue"), attenuation("cortical_bone")
    return XRay(
        energy_keV=at["beam", "energy"],
        soft_tissue=soft,
        cortical_bone=cortical,
        trabecular_bone=fraction * cortical + (1.0 - fraction) * soft,
        iodine_mg_mL=at["contrast_medium", "iodine"],
        contrast_medium=_added("iodine", at["contrast_medium", "iodine"] / _MG_PER_G),
        shaft=at["catheter", "shaft"],
        marker=attenuation("platinum") - soft,
        marker_length_mm=at["catheter", "marker_length"],
        marker_wall_mm=at["catheter", "marker_wall"],
        bend_radius_mm=at["catheter", "bend_radius"],
        shell_mm=MappingProxyType(
            {name: at[name, "shell"] for name in ("body", "pedicle", "lamina", "process")}
        ),
        source_isocentre_mm=at["c_arm", "source_isocentre"],
        source_detector_mm=at["c_arm", "source_detector"],
        field_mm=at["c_arm", "field"],
        zooms_mm=tuple(value for (item, _), value in at.items() if item == "zoom"),
        focal_spot_mm=at["c_arm", "focal_spot"],
        detector_blur_mm=at["detector", "blur"],
        acquisition_per_mm2=_counted(at["exposure", "acquisition"]),
        roadmap_per_mm2=_counted(at["exposure", "roadmap"]),
        venogram_rate_uL_s=uL_from_mL(at["contrast_medium", "venogram_rate"]),
        venogram_volume_uL=uL_from_mL(at["contrast_medium", "venogram_volume"]),
        microcatheter_rate_uL_s=uL_from_mL(at["contrast_medium", "microcatheter_rate"]),
        microcatheter_volume_uL=uL_from_mL(at["contrast_medium", "microcatheter_volume"]),
    )


def agent_attenuation(agent: str) -> float:
    """What an agent adds to the attenuation of blood, mm^-1.

    Raises
    ------
    ScenarioError
        If there is no such agent.

    Examples
    --------
    >>> round(agent_attenuation("Onyx 18"), 4)
    0.1249
    """
    name = agent_name(agent)
    return _added("tantalum", _tantalum(name))


def _tantalum(name: str) -> float:
    """Load of tantalum, or what is as opaque, g/mL."""
    equivalent = _rows().get((name, "tantalum_equivalent"))
    if equivalent is not None:
        return equivalent
    row = next(
        row
        for row in read_table("embolic_agents")
        if row["agent"] == name and row["property"] == "radiopaque_load"
    )
    return number(row, "value", table="embolic_agents") / _PERCENT


def _added(element: str, load_g_mL: float) -> float:
    return _rows()[element, "mass_attenuation"] * load_g_mL / _MM_PER_CM


def _counted(kerma_uGy: float) -> float:
    """Photons that the detector counts per mm2 where the air kerma is this.

    K = Phi E (mu_en / rho): at 60 keV 1 uGy is 34 000 photons per mm2.
    """
    at = _rows()
    energy_J = at["beam", "energy"] * _J_PER_KEV
    absorption = at["detector", "air_kerma_absorption"] * _M2_KG_PER_CM2_G
    fluence = kerma_uGy * _GRAY_PER_UGY / (energy_J * absorption) / _MM2_PER_M2
    return fluence * at["detector", "quantum_efficiency"]
