"""The venous structures, each with the compartment it belongs to.

The name is the label in scenarios, result files and pictures; the value is the
code stored in arrays. To add a vein: add it here, then build it in the room of
its compartment.
"""

from enum import Enum, IntEnum


class Compartment(Enum):
    """Groups of structures that are coloured, counted and reported together."""

    EPIDURAL = "epidural"
    VERTEBRAL_BODY = "vertebral_body"
    FORAMINAL = "foraminal"
    EXTERNAL = "external_vertebral"
    SEGMENTAL = "segmental"
    INTERSEGMENTAL = "intersegmental"
    AZYGOS = "azygos"
    NECK = "neck"
    GREAT = "great"
    HAZARD = "hazard"


class Structure(IntEnum):
    """Structure codes; `.label` is the lower-case name used in files."""

    ANTERIOR_EPIDURAL = 0
    POSTERIOR_EPIDURAL = 1
    VENOUS_RING = 2
    RETROCORPOREAL = 3
    FORAMEN_MAGNUM = 4
    OCCIPITAL_SINUS = 5
    BASILAR_PLEXUS = 6
    BASIVERTEBRAL = 10
    INTRAOSSEOUS = 11
    FORAMINAL = 20
    ANTERIOR_EXTERNAL = 30
    POSTERIOR_EXTERNAL = 31
    TRANSFLAVAL = 32
    PARASPINAL = 40
    POSTERIOR_INTERCOSTAL = 41
    SUBCOSTAL = 42
    LUMBAR = 43
    ILIOLUMBAR = 44
    MUSCULAR = 45
    INTERSEGMENTAL = 50
    AZYGOS = 60
    AZYGOS_ARCH = 61
    HEMIAZYGOS = 62
    ACCESSORY_HEMIAZYGOS = 63
    SUPERIOR_INTERCOSTAL = 64
    SUPREME_INTERCOSTAL = 65
    ASCENDING_LUMBAR = 66
    VERTEBRAL_VEIN = 70
    PARAVERTEBRAL = 71
    INTERNAL_JUGULAR = 72
    DEEP_CERVICAL = 73
    CONDYLAR = 74
    SVC = 80
    BRACHIOCEPHALIC = 81
    IVC = 82
    COMMON_ILIAC = 83
    RIGHT_ATRIUM = 84
    RADICULOMEDULLARY = 90

    @property
    def label(self) -> str:
        """Name in scenarios and result files, for example ``posterior_intercostal``."""
        return self.name.lower()

    @property
    def compartment(self) -> Compartment:
        """Compartment of the structure."""
        return _COMPARTMENTS[self.value // 10]


_COMPARTMENTS = tuple(Compartment)
