"""DICOM of simulated fluoroscopy, against the standard's table of an X-Ray Angiographic Image.

`xa_attributes.csv`: attributes of the mandatory modules of DICOM PS3.3 A.14, of Contrast/Bolus and
of VOI LUT, with their types; the tables of the standard as highdicom 0.28.2 carries them.
"""

import csv
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from castsim.fluoroscopy import VIEWS, Fluorogram, Mode, beam_at
from castsim.fluoroscopy_dicom import ALIKE, BITS, MEAN_EXPOSURE, stored
from castsim.fluoroscopy_files import Caption, grey, image_bytes
from castsim.schema import DISCLAIMER
from geometry.levels import Side

CAPTION = Caption("Right T9, tip in the foramen", "Onyx 18\n1.00 mL")
CONTRAST = Caption("Contrast medium", "6 mL", "iodine 300 mg/mL")

with (Path(__file__).parent / "xa_attributes.csv").open(encoding="utf-8") as lines:
    ATTRIBUTES = list(csv.DictReader(lines))

CHOICES = {
    "Modality": {"XA"},
    "PhotometricInterpretation": {"MONOCHROME2"},
    "BitsAllocated": {8, 16},
    "PixelRepresentation": {0},
    "PixelIntensityRelationship": {"LIN", "LOG", "DISP"},
    "RadiationSetting": {"SC", "GR"},
    "PositionerMotion": {"STATIC", "DYNAMIC"},
    "LossyImageCompression": {"00", "01"},
    "BurnedInAnnotation": {"YES", "NO"},
    "PixelSpacingCalibrationType": {"GEOMETRY", "FIDUCIAL"},
}
"""Values that the standard allows (PS3.3 C.7.6.3, C.8.7.1, C.8.7.2, C.8.7.5)."""

Write = Callable[..., FileDataset]


def image(view: str = "ap", mode: Mode = "subtracted", pixels: int = 64) -> Fluorogram:
    """Noise, and in the middle a block that lets a third through."""
    signal = 0.02 * np.random.default_rng(0).standard_normal((pixels, pixels))
    signal[24:40, 24:40] += np.log(3.0)
    return Fluorogram(view, mode, beam_at(np.zeros(3), view, pixels=pixels), signal, 1000.0)


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(shot: Fluorogram, caption: Caption = CAPTION, name: str = "image.dcm") -> FileDataset:
        image_bytes(shot, caption, tmp_path / name)
        with pydicom.config.strict_reading():
            return pydicom.dcmread(tmp_path / name)

    return write


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("mode", ["subtracted", "unsubtracted", "roadmap"])
def test_everything_that_is_required_is_there(written: Write, view: str, mode: Mode) -> None:
    data = written(image(view, mode), CONTRAST if mode == "roadmap" else CAPTION)
    required = {row["keyword"]: row["type"] for row in ATTRIBUTES if row["type"] in ("1", "2")}
    required.pop("ContrastBolusAgent", None)  # of a module that only contrast medium needs
    assert len(required) > 30
    assert {name for name in required if name not in data} == set()
    assert {name for name, kind in required.items() if kind == "1" and data[name].is_empty} == set()
    assert ("ContrastBolusAgent" in data) == (mode == "roadmap")


def test_nothing_strange_is_there(written: Write) -> None:
    known = {row["keyword"] for row in ATTRIBUTES}
    data = written(image(), CONTRAST)
    assert {element.keyword for element in data} - known == set()
    for name, allowed in CHOICES.items():
        assert data[name].value in allowed, name
    assert data.BitsStored == BITS
    assert data.HighBit == BITS - 1
    assert data.ImageType[0] == "DERIVED"
    assert data.ImageType[2] == "SINGLE PLANE"
    for element in data:
        values = element.value if element.VM > 1 else [element.value]
        longest = {"LO": 64, "SH": 16, "CS": 16, "DS": 16, "ST": 1024, "LT": 10240, "UI": 64}
        for value in values:
            assert len(str(value)) <= longest.get(element.VR, 10**9), element.keyword


def test_the_file_is_part_10_of_the_class_for_angiography(written: Write) -> None:
    data = written(image())
    assert data.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert data.SOPClassUID == data.file_meta.MediaStorageSOPClassUID
    assert data.SOPClassUID.name == "X-Ray Angiographic Image Storage"
    assert data.SOPInstanceUID == data.file_meta.MediaStorageSOPInstanceUID
    for uid in (data.SOPInstanceUID, data.SeriesInstanceUID, data.StudyInstanceUID):
        assert uid.is_valid
        assert uid.startswith("2.25.")


def test_there_is_no_patient_and_no_day(written: Write) -> None:
    data = written(image())
    assert data.PatientName == "castsim^simulated"
    for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
                 "ReferringPhysicianName"):  # fmt: skip
        assert data[name].is_empty
    assert not [
        element.keyword for element in data if element.VR in ("DA", "TM", "DT") and element.value
    ]


def test_it_says_what_it_is(written: Write) -> None:
    data = written(image())
    assert "research only" in data.SeriesDescription
    assert DISCLAIMER in data.ImageComments
    assert DISCLAIMER in data.DerivationDescription
    assert "Right T9" in data.ImageComments
    assert "1.00 mL" in data.ImageComments


def test_the_geometry_is_that_of_the_beam(written: Write) -> None:
    data = written(image("lao30"))
    assert float(data.PositionerPrimaryAngle) == 30.0  # positive towards LAO, PS3.3 C.8.7.5
    assert float(data.DistanceSourceToDetector) == 1050.0
    assert float(data.DistanceSourceToPatient) == 750.0
    pitch = 220.0 / 64
    assert [float(x) for x in data.ImagerPixelSpacing] == pytest.approx([pitch, pitch], abs=1e-4)
    assert [float(x) for x in data.PixelSpacing] == pytest.approx([pitch / 1.4] * 2, abs=1e-4)
    assert list(data.PatientOrientation) == ["LP", "F"]
    assert list(written(image("rao30")).PatientOrientation) == ["LA", "F"]
    assert list(written(image("lateral")).PatientOrientation) == ["P", "F"]
    shot = image("lateral")
    other = replace(shot, beam=beam_at(np.zeros(3), "lateral", side=Side.RIGHT, pixels=64))
    assert list(written(other).PatientOrientation) == ["A", "F"]
    assert float(written(other).PositionerPrimaryAngle) == -90.0
    assert "RIGHT LATERAL" in written(other).SeriesDescription


def test_pixels_are_proportional_to_x_rays(written: Write) -> None:
    for mode, one in (("subtracted", ALIKE), ("unsubtracted", MEAN_EXPOSURE)):
        shot = image(mode=mode)
        data = written(shot)
        pixels = data.pixel_array
        np.testing.assert_array_equal(pixels, stored(shot))
        assert pixels[:20].mean() == pytest.approx(one, rel=0.01)
        assert pixels[24:40, 24:40].mean() == pytest.approx(one / 3, rel=0.02)
        # shown in its window, it is dark where the PNG is
        low = float(data.WindowCenter) - float(data.WindowWidth) / 2
        shown = np.clip((pixels - low) / float(data.WindowWidth), 0, 1)
        assert shown[24:40, 24:40].mean() < 0.2
        assert abs(shown[:20].mean() - grey(shot)[:20].mean()) < 0.3


@pytest.mark.parametrize("mode", ["subtracted", "unsubtracted", "roadmap"])
def test_the_warning_is_in_the_pixels_and_tells_of_nobody(written: Write, mode: Mode) -> None:
    """White on black in the window of the file, in the lower right corner and nowhere else."""
    shot = image(mode=mode, pixels=512)
    data = written(shot)
    changed = data.pixel_array != np.clip(
        np.rint((MEAN_EXPOSURE if mode == "unsubtracted" else ALIKE) * np.exp(-shot.signal)),
        0, 2**BITS - 1,
    )  # fmt: skip
    rows, columns = np.nonzero(changed)
    assert rows.min() > 480
    assert columns.min() > 150
    low = float(data.WindowCenter) - float(data.WindowWidth) / 2
    shown = np.clip((data.pixel_array - low) / float(data.WindowWidth), 0, 1)
    box = shown[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert box.min() < 0.01
    assert box.max() > 0.99
    assert 0.05 < (box > 0.5).mean() < 0.5
    assert data.BurnedInAnnotation == "NO"


def test_what_is_bright_saturates() -> None:
    shot = image(mode="unsubtracted")
    bright = Fluorogram(shot.view, shot.mode, shot.beam, shot.signal - 9.0, 1.0)
    assert stored(bright).max() == 2**BITS - 1


@pytest.mark.parametrize("mode", ["subtracted", "unsubtracted", "roadmap"])
def test_an_independent_validator_finds_no_error(
    written: Write, tmp_path: Path, mode: Mode
) -> None:
    """dciodvfy of dicom3tools, where it is installed; it checks conditions and values too."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy (apt-get install dicom3tools) is not installed")
    written(image("lao30", mode), CONTRAST)
    done = subprocess.run(
        [program, "-new", tmp_path / "image.dcm"], capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert "XAImage" in told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []


def test_the_same_image_is_the_same_file(written: Write, tmp_path: Path) -> None:
    one, two = written(image(), name="one.dcm"), written(image(), name="two.dcm")
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()
    other = written(image("lateral"), name="other.dcm")
    assert other.StudyInstanceUID == one.StudyInstanceUID
    assert other.SeriesInstanceUID != one.SeriesInstanceUID
    assert other.SOPInstanceUID != two.SOPInstanceUID
