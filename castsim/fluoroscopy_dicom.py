"""Simulated fluoroscopy as DICOM: an X-Ray Angiographic Image (PS3.3 A.14), without a patient.

Pixels are proportional to the X-rays that were counted (LIN): of a subtracted image to live over
mask, 2048 where they are alike. Those of a roadmap, which is mixed for the eye, are for display.

A small line in the corner of the pixels says that the image is simulated, whatever the viewer or
the copy of its screen shows. It names no patient and no day, hence Burned In Annotation (0028,0301)
is NO, as PS3.3 C.7.6.1 has it for words by which nobody can be told.

Nothing in the file hangs on the day or the machine: dates are empty, and identifiers are digests
under 2.25, so that the same image is the same file.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from castsim import __version__
from castsim.body_letters import edge_letters
from castsim.fluoroscopy import Fluorogram
from castsim.fluoroscopy_files import (
    MARGIN_SHARE,
    TITLES,
    WARNING,
    Caption,
    letter_height,
    letters,
    window,
)
from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

Pixels = NDArray[np.uint16]

BITS = 12
ALIKE = 2048
"""Stored value where a subtracted image shows nothing."""
MEAN_EXPOSURE = 1024
"""Stored value of the mean exposure of an image that is not subtracted; four of it saturate."""
RIM = 0.3
"""Heights of a letter: width of the black about the warning."""
_UID_BYTES = 16
_LONG_STRING = 64
_DECIMALS = 6


def stored(image: Fluorogram) -> Pixels:
    """Pixel values (rows, columns): more X-rays are a larger value."""
    one = MEAN_EXPOSURE if image.mode == "unsubtracted" else ALIKE
    values = np.rint(one * np.exp(-image.signal))
    pixels = np.asarray(np.clip(values, 0, 2**BITS - 1), dtype=np.uint16)
    _burn_in(pixels, image)
    return pixels


def _burn_in(pixels: Pixels, image: Fluorogram) -> None:
    """Write the warning into the lower right corner, white on black as the window shows them."""
    from PIL import Image, ImageDraw

    side = image.beam.pixels
    place, margin = side * (1.0 - MARGIN_SHARE), RIM * letter_height(side)
    drawn = Image.new("L", (side, side))
    draw = ImageDraw.Draw(drawn)
    draw.text((place, place), WARNING, fill=255, font=letters(side), anchor="rd")
    left, top, right, bottom = draw.textbbox((place, place), WARNING, letters(side), "rd")
    black, white = _shown(image)
    box = np.s_[
        max(round(top - margin), 0) : round(bottom + margin),
        max(round(left - margin), 0) : round(right + margin),
    ]
    pixels[box] = np.rint(black + np.asarray(drawn)[box] / 255.0 * (white - black))


def _shown(image: Fluorogram) -> tuple[float, float]:
    """Stored values that are shown black and white."""
    one = MEAN_EXPOSURE if image.mode == "unsubtracted" else ALIKE
    black, white = (min(one * float(np.exp(-signal)), 2.0**BITS - 1) for signal in window(image))
    return black, white


def dicom_bytes(image: Fluorogram, caption: Caption, path: Path) -> None:
    """Write the image as one file of DICOM part 10."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage

    pixels = stored(image)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    meta.MediaStorageSOPInstanceUID = _uid("image", caption, image, pixels.tobytes())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _digest(b"castsim")
    meta.ImplementationVersionName = f"castsim {__version__}"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID,
    )  # fmt: skip
    _identify(data, image, caption)
    _describe(data, image, caption)
    _aim(data, image)
    _show(data, image, pixels)
    data.save_as(path, enforce_file_format=True)


def _identify(data: "Dataset", image: Fluorogram, caption: Caption) -> None:
    """Patient, study, series and equipment: nobody, and no day."""
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName = "castsim^simulated"
    data.PatientID = "castsim-simulated"
    data.PatientBirthDate = data.PatientSex = ""
    data.StudyInstanceUID = _digest(b"study", caption.title.encode())
    data.StudyDate = data.StudyTime = data.StudyID = ""
    data.AccessionNumber = data.ReferringPhysicianName = ""
    data.StudyDescription = "Simulated fluoroscopy, research only"
    data.Modality = "XA"
    data.SeriesInstanceUID = _uid("series", caption, image)
    data.SeriesNumber = data.InstanceNumber = 1
    title = TITLES[image.beam.angle_deg]
    data.SeriesDescription = f"{title} {image.mode}, simulated, research only"
    data.BodyPartExamined, data.PatientPosition = "SPINE", "HFS"
    # sides of the body towards which rows and columns run
    data.PatientOrientation = [edge_letters(image.beam.right), "F"]
    data.Manufacturer = "castsim"
    data.ManufacturerModelName = "simulated C-arm"
    data.SoftwareVersions = __version__


def _describe(data: "Dataset", image: Fluorogram, caption: Caption) -> None:
    """What the image is, in words."""
    words = f"{caption.title}. {'; '.join(caption.facts.splitlines())}. {DISCLAIMER}"
    data.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE"]
    data.DerivationDescription = f"Simulated by castsim {__version__}; no X-rays. {DISCLAIMER}"
    data.ImageComments = words
    data.BurnedInAnnotation = "NO"
    data.LossyImageCompression = "00"
    if caption.contrast:
        data.ContrastBolusAgent = caption.contrast[:_LONG_STRING]


def _aim(data: "Dataset", image: Fluorogram) -> None:
    """Geometry and setting of the C-arm."""
    beam = image.beam
    pitch, at_isocentre = _number(beam.pitch_mm), _number(beam.pitch_mm / beam.magnification)
    data.KVP = data.ExposureTime = data.XRayTubeCurrent = data.Exposure = None
    data.RadiationSetting = "SC" if image.mode == "roadmap" else "GR"
    data.DistanceSourceToDetector = _number(beam.source_detector_mm)
    data.DistanceSourceToPatient = _number(beam.source_isocentre_mm)
    data.EstimatedRadiographicMagnificationFactor = _number(beam.magnification)
    data.ImagerPixelSpacing = [pitch, pitch]
    data.PixelSpacing = [at_isocentre, at_isocentre]
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "at the isocentre"
    data.PositionerMotion = "STATIC"
    data.PositionerPrimaryAngle = _number(beam.angle_deg)
    data.PositionerSecondaryAngle = "0"


def _show(data: "Dataset", image: Fluorogram, pixels: Pixels) -> None:
    """Pixels, and the window in which to show them."""
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, BITS, BITS - 1
    data.PixelRepresentation = 0
    data.PixelIntensityRelationship = "DISP" if image.mode == "roadmap" else "LIN"
    black, white = _shown(image)
    data.WindowCenter = _number((black + white) / 2.0)
    data.WindowWidth = _number(max(white - black, 1.0))
    data.PixelData = pixels.tobytes()


def _number(value: float) -> str:
    """A decimal string, of at most 16 characters."""
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def _uid(what: str, caption: Caption, image: Fluorogram, *more: bytes) -> "UID":
    beam = image.beam
    words = (what, caption.title, caption.facts, image.view, image.mode)
    where = np.array([*beam.isocentre, beam.angle_deg, beam.field_mm])
    return _digest(*(word.encode() for word in words), where.tobytes(), *more)


def _digest(*parts: bytes) -> "UID":
    """A unique identifier that the parts determine (PS3.5 B.2)."""
    from pydicom.uid import UID

    whole = hashlib.sha256(b"\0".join(parts)).digest()[:_UID_BYTES]
    return UID(f"2.25.{int.from_bytes(whole, 'big')}")
