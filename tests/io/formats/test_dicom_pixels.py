from __future__ import annotations

import gdcm
import numpy as np
import pytest
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import (
    HEVCMP51,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from ivsqa.errors import SourceError
from ivsqa.io.formats.dicom_pixels import iter_grey_frames

GREY = np.arange(2 * 6 * 8, dtype=np.uint8).reshape(2, 6, 8) * 2
RED, GREEN, BLUE = 76, 150, 29
"""Luma of full red, green and blue: 255 times 0.299, 0.587 and 0.114."""


def colours() -> np.ndarray:
    frame = np.zeros((1, 8, 24, 3), dtype=np.uint8)
    for band in range(3):
        frame[0, :, band * 8 : band * 8 + 8, band] = 255
    return frame


def smooth(n=3, height=48, width=64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 2 + y + 20 * index).astype(np.uint8) for index in range(n)])


def decoded(path) -> np.ndarray:
    return np.stack(list(iter_grey_frames(path)))


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_grey_comes_as_stored_in_every_syntax(write_dicom, syntax):
    assert np.array_equal(decoded(write_dicom("a.dcm", GREY, syntax=syntax)), GREY)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_file_without_preamble_and_meta_header_is_read(write_dicom, syntax):
    path = write_dicom("a.dcm", GREY, syntax=syntax)
    whole = path.read_bytes()
    at = 128 + 4 + 12 + int.from_bytes(whole[140:144], "little")
    path.write_bytes(whole[at:])
    assert np.array_equal(decoded(path), GREY)


def test_rle_is_read(write_dicom):
    encoded = [
        RLELosslessEncoder.encode(
            frame.tobytes(), rows=6, columns=8, samples_per_pixel=1, number_of_frames=1, bits_allocated=8, bits_stored=8,
            pixel_representation=0, photometric_interpretation="MONOCHROME2",
        )
        for frame in GREY
    ]  # fmt: skip
    assert np.array_equal(decoded(write_dicom("a.dcm", GREY, syntax=RLELossless, encoded=encoded)), GREY)


@pytest.mark.parametrize(
    "syntax",
    [
        gdcm.TransferSyntax.JPEGLosslessProcess14,
        gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        gdcm.TransferSyntax.JPEGLSLossless,
        gdcm.TransferSyntax.JPEG2000Lossless,
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossless_compression_loses_nothing(write_dicom, transcode, syntax, dtype):
    frames = smooth().astype(dtype)
    plain = write_dicom("a.dcm", frames * (257 if dtype == np.uint16 else 1))
    assert np.array_equal(decoded(transcode(plain, syntax)), smooth())


def test_jpeg_2000_colour_becomes_luma(write_dicom, encode):
    path = write_dicom(
        "a.dcm",
        colours(),
        syntax=JPEG2000Lossless,
        encoded=encode(colours(), "JPEG2000"),
        PhotometricInterpretation="YBR_RCT",
    )
    assert decoded(path)[0, 0, ::8].tolist() == [RED, GREEN, BLUE]


@pytest.mark.parametrize("irreversible", [False, True], ids=["RCT", "ICT"])
@pytest.mark.parametrize("said", ["RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL", "YBR_FULL_422"])
def test_jpeg_2000_that_stores_differences_is_colour_whatever_the_header_says(write_dicom, encode, said, irreversible):
    encoded = encode(colours(), "JPEG2000", mct=1, irreversible=irreversible)
    tags = {"syntax": JPEG2000, "encoded": encoded, "PhotometricInterpretation": said}
    assert decoded(write_dicom("a.dcm", colours(), **tags))[0, 0, ::8] == pytest.approx([RED, GREEN, BLUE], abs=2)


@pytest.mark.parametrize("said", ["RGB", "YBR_RCT", "YBR_ICT"])
def test_jpeg_2000_without_differences_is_colour_where_the_header_says_so(write_dicom, encode, said):
    encoded = encode(colours(), "JPEG2000", mct=0)
    tags = {"syntax": JPEG2000Lossless, "encoded": encoded, "PhotometricInterpretation": said}
    assert decoded(write_dicom("a.dcm", colours(), **tags))[0, 0, ::8].tolist() == [RED, GREEN, BLUE]


def test_jpeg_2000_of_luma_and_chroma_as_they_are_gives_the_luma(write_dicom, encode):
    """Grey 20, with chroma that is no grey."""
    samples = np.full((1, 8, 24, 3), (20, 160, 90), dtype=np.uint8)
    encoded = encode(samples, "JPEG2000", mct=0)
    tags = {"syntax": JPEG2000Lossless, "encoded": encoded, "PhotometricInterpretation": "YBR_FULL"}
    assert (decoded(write_dicom("a.dcm", samples, **tags)) == 20).all()


def test_jpeg_grey_is_close_to_what_was_compressed(write_dicom, encode):
    path = write_dicom("a.dcm", smooth(), syntax=JPEGBaseline8Bit, encoded=encode(smooth(), "JPEG"))
    assert np.abs(decoded(path).astype(int) - smooth()).max() <= 4


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_jpeg_grey_gives_the_same_samples_as_pydicom(write_dicom, encode, photometric):
    frames = np.random.default_rng(0).integers(0, 256, (2, 24, 40), dtype=np.uint8)
    encoded = encode(frames, "JPEG")
    path = write_dicom("a.dcm", frames, syntax=JPEGBaseline8Bit, encoded=encoded, PhotometricInterpretation=photometric)
    samples = pixel_array(path, raw=True)
    assert np.array_equal(decoded(path), 255 - samples if photometric == "MONOCHROME1" else samples)


def test_jpeg_colour_gives_the_same_luma_as_decoding_all_of_it(write_dicom, encode):
    sepia = np.stack([smooth(), smooth() // 2, smooth() // 4], axis=-1)
    path = write_dicom(
        "a.dcm",
        sepia,
        syntax=JPEGBaseline8Bit,
        encoded=encode(sepia, "JPEG"),
        PhotometricInterpretation="YBR_FULL_422",
    )
    whole = np.stack([frame[..., 0] for frame in iter_pixels(path, raw=True)])
    assert np.array_equal(decoded(path), whole)


def test_jpeg_said_to_be_rgb_but_marked_as_jfif_is_still_luma(write_dicom, encode):
    red = np.zeros((1, 16, 16, 3), dtype=np.uint8) + np.array([255, 0, 0], dtype=np.uint8)
    path = write_dicom("a.dcm", red, syntax=JPEGBaseline8Bit, encoded=encode(red, "JPEG"))
    assert np.abs(decoded(path).astype(int) - RED).max() <= 2


def test_rgb_becomes_luma_in_both_plane_orders(write_dicom):
    by_plane = np.ascontiguousarray(colours().transpose(0, 3, 1, 2)).reshape(1, 8, 24, 3)
    for pixels, planar in ((colours(), 0), (by_plane, 1)):
        path = write_dicom("a.dcm", pixels, PlanarConfiguration=planar)
        assert decoded(path)[0, 0, ::8].tolist() == [RED, GREEN, BLUE]


def test_sixteen_bit_rgb_keeps_its_high_bits(write_dicom):
    path = write_dicom("a.dcm", colours().astype(np.uint16) << 4, BitsStored=12, HighBit=11)
    assert decoded(path)[0, 0, ::8].tolist() == [RED, GREEN, BLUE]


def test_ybr_full_takes_the_first_sample(write_dicom):
    ybr = np.full((1, 4, 4, 3), 128, dtype=np.uint8)
    ybr[..., 0] = 37
    assert np.all(decoded(write_dicom("a.dcm", ybr, PhotometricInterpretation="YBR_FULL")) == 37)


def test_uncompressed_ybr_422_takes_every_luma_sample(write_dicom):
    # Stored as Y Y Cb Cr for two pixels: 4 × 4 pixels are 32 bytes.
    stored = np.array([[[10, 20, 128, 128, 30, 40, 128, 128]] * 4], dtype=np.uint8)
    path = write_dicom(
        "a.dcm", stored, Columns=4, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL_422"
    )
    assert decoded(path)[0, 0].tolist() == [10, 20, 30, 40]


def test_monochrome1_is_inverted(write_dicom):
    assert np.array_equal(decoded(write_dicom("a.dcm", GREY, PhotometricInterpretation="MONOCHROME1")), 255 - GREY)


def test_eight_bit_grey_ignores_the_window(write_dicom):
    assert np.array_equal(decoded(write_dicom("a.dcm", GREY, WindowCenter=10, WindowWidth=4)), GREY)


def test_twelve_bits_are_scaled_by_the_bits_stored(write_dicom):
    pixels = np.array([[[0, 4095, 2048, 1024]]], dtype=np.uint16)
    assert decoded(write_dicom("a.dcm", pixels, BitsStored=12, HighBit=11))[0, 0].tolist() == [0, 255, 128, 64]


def test_overlay_bits_above_the_stored_ones_are_masked(write_dicom):
    pixels = np.array([[[0xF000, 0x1FFF]]], dtype=np.uint16)
    assert decoded(write_dicom("a.dcm", pixels, BitsStored=12, HighBit=11))[0, 0].tolist() == [0, 255]


def test_a_window_scales_deep_grey(write_dicom):
    # Window 101 wide around 1000: 949.5 is black and 1049.5 white (PS3.3 C.11.2.1.2).
    pixels = np.array([[[900, 1000, 1049, 1100]]], dtype=np.uint16)
    path = write_dicom("a.dcm", pixels, WindowCenter=1000, WindowWidth=101)
    assert decoded(path)[0, 0].tolist() == [0, 129, 254, 255]


def test_a_window_counts_after_the_rescaling(write_dicom):
    pixels = np.array([[[400, 500, 600]]], dtype=np.uint16)
    path = write_dicom("a.dcm", pixels, WindowCenter=0.5, WindowWidth=201, RescaleSlope=2, RescaleIntercept=-1000)
    assert decoded(path)[0, 0].tolist() == [0, 128, 255]


def test_signed_grey_has_its_zero_in_the_middle(write_dicom):
    pixels = np.array([[[-32768, 0, 32767]]], dtype=np.int16)
    assert decoded(write_dicom("a.dcm", pixels))[0, 0].tolist() == [0, 128, 255]


def palette(entries, bits):
    dtype = np.uint8 if bits == 8 else np.uint16
    tags = {}
    for name, channel in zip(("Red", "Green", "Blue"), np.asarray(entries).T, strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), 0, bits]
        tags[f"{name}PaletteColorLookupTableData"] = channel.astype(dtype).tobytes()
    return tags | {"PhotometricInterpretation": "PALETTE COLOR"}


def test_an_eight_bit_palette_is_looked_up(write_dicom):
    entries = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [90, 90, 90]]
    path = write_dicom("a.dcm", np.array([[[0, 1, 2, 3]]], dtype=np.uint8), **palette(entries, 8))
    assert decoded(path)[0, 0].tolist() == [0, RED, GREEN, 90]


@pytest.mark.parametrize("scale", [256, 1])
def test_a_sixteen_bit_palette_may_hold_eight_bit_colours(write_dicom, scale):
    entries = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255], [90, 90, 90]]) * scale
    path = write_dicom("a.dcm", np.array([[[0, 1, 2, 3]]], dtype=np.uint16), **palette(entries, 16))
    assert decoded(path)[0, 0].tolist() == [0, RED, BLUE, 90]


def test_pixels_that_are_cut_short_are_refused_before_the_first_is_decoded(write_dicom):
    path = write_dicom("a.dcm", smooth(3))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="cut short: it declares 3 frames, and holds 2"):
        next(iter_grey_frames(path))


def test_fewer_compressed_frames_than_declared_are_an_error(write_dicom, encode):
    colour = np.stack([smooth()] * 3, axis=-1)
    for photometric, pixels in (("YBR_FULL_422", colour), ("MONOCHROME2", smooth())):
        path = write_dicom(
            "a.dcm",
            pixels,
            syntax=JPEGBaseline8Bit,
            encoded=encode(pixels, "JPEG"),
            NumberOfFrames=5,
            PhotometricInterpretation=photometric,
        )
        with pytest.raises(SourceError, match="it declares 5 frames, and holds 3"):
            decoded(path)


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "RGB"])
def test_a_broken_compressed_frame_is_named(write_dicom, encode, photometric):
    colour = np.stack([smooth()] * 3, axis=-1)
    encoded = encode(colour, "JPEG")
    encoded[1] = encoded[1][:40] + b"\xff\xd9"
    path = write_dicom("a.dcm", colour, syntax=JPEGBaseline8Bit, encoded=encoded, PhotometricInterpretation=photometric)
    with pytest.raises(SourceError) as caught:
        decoded(path)
    assert caught.value.where == "frame 1"


def test_compressed_frames_of_another_size_are_an_error(write_dicom, encode):
    colour = np.stack([smooth()] * 3, axis=-1)
    encoded = encode(colour, "JPEG")
    path = write_dicom(
        "a.dcm", colour, syntax=JPEGBaseline8Bit, encoded=encoded, PhotometricInterpretation="YBR_FULL_422", Rows=40
    )
    with pytest.raises(SourceError, match="frame 1 of 3"):
        decoded(path)


def test_uncompressed_pixels_under_a_jpeg_syntax_are_an_error(write_dicom):
    colour = np.stack([smooth()] * 3, axis=-1)
    path = write_dicom("a.dcm", colour, PhotometricInterpretation="YBR_FULL", said_to_be=JPEGBaseline8Bit)
    with pytest.raises(SourceError):
        decoded(path)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (UID("1.2.840.10008.1.2.4.110"), "JPEG XL Lossless"),
        (UID("1.2.840.10008.1.2.4.111"), "JPEG XL JPEG Recompression"),
        (UID("1.2.840.10008.1.2.4.112"), "JPEG XL"),
        (HEVCMP51, "video"),
        (UID("1.2.3.4"), "of an unknown kind"),
    ],
)
def test_syntaxes_that_cannot_be_decoded_are_named_with_a_way_out(write_dicom, syntax, name):
    path = write_dicom("a.dcm", GREY, said_to_be=syntax)
    with pytest.raises(SourceError, match=name) as caught:
        decoded(path)
    assert "PNG" in caught.value.hint


def test_more_than_sixteen_bits_are_refused(write_dicom):
    with pytest.raises(SourceError, match="32 bits"):
        decoded(write_dicom("a.dcm", GREY.astype(np.uint32)))


def test_fewer_than_eight_stored_bits_are_scaled(write_dicom):
    pixels = np.array([[[0, 15, 0xF0, 0xFF]]], dtype=np.uint8)
    assert decoded(write_dicom("a.dcm", pixels, BitsStored=4, HighBit=3))[0, 0].tolist() == [0, 255, 0, 255]


def test_an_unknown_photometric_interpretation_is_named(write_dicom):
    with pytest.raises(SourceError, match="CMYK cannot be read"):
        decoded(write_dicom("a.dcm", GREY, PhotometricInterpretation="CMYK"))
    with pytest.raises(SourceError) as caught:
        decoded(write_dicom("a.dcm", GREY, PhotometricInterpretation="DOE"))
    assert "DOE" not in str(caught.value)


def test_real_files_decode_to_the_luma_of_their_colours(shared_data):
    # The same frames decoded whole, in colour, by pydicom; colour conversion there and back rounds by up to 1.
    from PIL import Image
    from pydicom import dcmread

    for name in ("dcm4che_YBR_FULL-RLE_2regions", "dcm4che_YBR_422_uncompressed", "pydicomdata_US1_J2KR"):
        path = shared_data / "us-dicom" / f"{name}.dcm"
        colour = np.asarray(Image.fromarray(dcmread(path).pixel_array).convert("L"))
        assert np.abs(decoded(path)[0].astype(int) - colour).mean() < 0.6


def test_two_encodings_of_the_same_real_frames_agree(shared_data):
    folder = shared_data / "us-dicom"
    rle, big_endian = (
        decoded(folder / f"pydicomdata_OBXXXX1A_{kind}.dcm") for kind in ("rle_2frame", "expb_2frame_bigendian")
    )
    assert np.array_equal(rle, big_endian)
