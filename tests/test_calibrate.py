"""Calibration of a camera: frames that were simulated with known values give these back."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from data.calibrate import main
from data.calibration.dark_frames import dark_noise
from data.calibration.laws import fit_gains, fit_line
from data.calibration.photon_transfer import pair_points, photon_transfer
from data.simulate.dng import write_dng
from data.simulate.sensors import read_sensor
from util.errors import UserError

BLACK, WHITE, SIDE = 512, 16383, 224
ISOS = (400, 1600, 6400)
GAINS = {iso: 0.02 + iso * 5e-4 for iso in ISOS}
BIAS = np.array([[1.0, -0.5], [0.3, 0.8]])  # of the places of a cell R G / G B
LAMBDA = -0.12


def tukey_scale(gain: float) -> float:
    return 1.4 * gain**0.5


def row_scale(gain: float) -> float:
    return 0.8 * gain**0.5


def mosaic(rng: np.random.Generator, gain: float, electrons: float) -> np.ndarray:
    """A frame as a camera records it, of light that falls off to the side."""
    shape = (SIDE, SIDE)
    light = electrons * np.linspace(1, 0.7, SIDE)[None].repeat(SIDE, axis=0)
    values = rng.poisson(light) * gain + row_scale(gain) * rng.standard_normal((SIDE, 1))
    values += tukey_scale(gain) * stats.tukeylambda.ppf(rng.random(shape), LAMBDA)
    values += BLACK + np.tile(BIAS, (SIDE // 2, SIDE // 2))
    return np.clip(np.rint(values), 0, WHITE).astype(np.uint16)


def write(path: Path, values: np.ndarray, iso: int | None, time: float = 0.01, cfa: str = "RGGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = {"neutral": (0.5, 1, 0.6), "color_matrices": [np.eye(3)], "illuminants": [21]}
    write_dng(path, values, black=BLACK, white=WHITE, cfa=cfa, **colour, iso=iso, exposure_time=time)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Darks and flats of three ISOs, and flats of one that reach white."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(11)
    for iso in ISOS:
        for number in range(8):
            write(folder / "dark" / f"{iso}_{number}.dng", mosaic(rng, GAINS[iso], 0), iso)
        for time in (0.01, 0.1, 0.4):
            for number in range(4):
                name = f"{iso}_{time}_{number}.dng"
                write(folder / "flat" / name, mosaic(rng, GAINS[iso], 5000 * time / iso * 1600), iso, time)
    for number in range(2):
        write(folder / "flat" / f"white_{number}.dng", np.full((SIDE, SIDE), WHITE, np.uint16), ISOS[0], 2.0)
    return folder


def test_known_values_are_found_again(frames: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "mine.json"
    words = [
        "--dark",
        f"{frames / 'dark'}",
        "--flat",
        f"{frames / 'flat'}",
        "--out",
        f"{out}",
        "--name",
        "mine",
    ]
    assert main(words) == 0
    sensor, printed = read_sensor(out), capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()[1:4]]
    for iso, row in zip(ISOS, rows, strict=True):
        found_iso, gain, read, tukey, shape, rows_scale = map(float, row[:6])
        assert found_iso == iso
        assert gain == pytest.approx(GAINS[iso], rel=0.03)
        assert tukey == pytest.approx(tukey_scale(GAINS[iso]), rel=0.05)
        assert read == pytest.approx(tukey * stats.tukeylambda.std(LAMBDA), rel=0.05)
        assert shape == pytest.approx(LAMBDA, abs=0.03)
        assert rows_scale == pytest.approx(row_scale(GAINS[iso]), rel=0.05)
        assert sensor.gain_of_iso(iso) == pytest.approx(GAINS[iso], rel=0.03)
    assert sensor.name == "mine"
    np.testing.assert_allclose(sensor.colour_bias, [BIAS.ravel()] * 3, atol=0.1)
    assert sensor.read_tukey.slope == pytest.approx(0.5, abs=0.03)
    assert sensor.read_row.bias == pytest.approx(np.log(0.8), abs=0.1)
    assert "note: ISO 400: flats of 2 s are left out: they reach white" in printed
    assert printed.count("note:") == 1, printed
    names = {f"mine_{name}.png" for name in ("photon_transfer", "read_noise", "rows", "scales")}
    assert {file.name for file in tmp_path.iterdir()} == names | {"mine.json"}


def test_what_does_not_fit_is_said(tmp_path: Path, capsys) -> None:
    rng, gain = np.random.default_rng(3), 1.0
    banding = np.rint(6 * np.sin(np.arange(SIDE) * 2 * np.pi / 8))[:, None].astype(int)
    for number in range(4):
        dark = mosaic(rng, gain, 0) + banding + 9
        write(tmp_path / "dark" / f"{number}.dng", dark.astype(np.uint16), 800)
        for time in (0.1, 0.2, 0.4):
            flat = mosaic(rng, gain, 40_000 * time) - BLACK
            bent = np.rint(BLACK + flat * (1 - 6e-6 * flat)).astype(np.uint16)
            write(tmp_path / "flat" / f"{number}_{time}.dng", bent, 800, time)
    words = ["--dark", f"{tmp_path / 'dark'}", "--flat", f"{tmp_path / 'flat'}"]
    assert main([*words, "--out", f"{tmp_path / 'bent.json'}"]) == 0
    printed = capsys.readouterr().out
    assert "banding of 8.0 rows" in printed
    assert "black is not the file's: +10.0" in printed
    assert "off a straight line" in printed


def test_defect_px_and_uneven_light_do_not_reach_the_gain() -> None:
    rng = np.random.default_rng(2)
    light = np.linspace(50, 800, 128)[None, None] * np.ones((4, 128, 128))
    pairs = [np.float32(rng.poisson(light) * 3.0) for _ in range(2)]
    pairs[0][:, ::17, ::13] += 3000
    transfer = photon_transfer([pair_points(*pairs, np.full(4, 15000.0))])
    assert transfer.gain == pytest.approx(3.0, rel=0.03)
    assert not transfer.residuals().any()


def test_read_noise_of_few_adu_and_normal_law() -> None:
    rng = np.random.default_rng(4)
    frames = np.rint(rng.normal(0.3, 0.7, (6, 4, 96, 96))).astype(np.float32)
    frames[:, :, 5, 7] += 300
    dark = dark_noise(frames)
    assert dark.gaussian == pytest.approx(0.7, rel=0.02)
    assert dark.shape == pytest.approx(0.14, abs=0.03)
    assert dark.row < 0.1
    assert dark.hot == pytest.approx(1 / 96**2)
    np.testing.assert_allclose(dark.bias, 0.3, atol=0.03)
    assert dark.band() is None


def test_laws_over_gain() -> None:
    gains = np.array([0.1, 0.4, 2.0, 9.0])
    line = fit_line(gains, np.exp(0.6 * np.log(gains) + 0.3))
    assert line == pytest.approx((0.6, 0.3, 0.0), abs=1e-9)
    assert fit_line([2.0], [6.0]) == pytest.approx((1.0, np.log(3.0), 0.0))
    assert fit_gains([1600], [3.2]) == pytest.approx((0.2, 12.8))
    assert fit_gains([100, 6400], [0.3, 12.0]) == pytest.approx((0.3, 12.0))
    assert fit_gains([800, 6400], [0.1, 12.0])[0] > 0


def test_user_errors(tmp_path: Path, frames: Path) -> None:
    plain = mosaic(np.random.default_rng(0), 1.0, 50)

    def refused(
        message: str, dark: Path = frames / "dark", flat: Path = frames / "flat", out="x.json"
    ) -> None:
        with pytest.raises(UserError, match=message):
            main(["--dark", f"{dark}", "--flat", f"{flat}", "--out", f"{tmp_path / out}"])

    refused("must end in .json", out="x.txt")
    refused("--dark .*none is not a folder", dark=tmp_path / "none")
    refused("--flat .* has no raw files", flat=tmp_path)
    write(tmp_path / "silent" / "1.dng", plain, None)
    refused("1.dng does not tell its ISO", dark=tmp_path / "silent")
    write(tmp_path / "one" / "1.dng", plain, 400)
    refused("ISO 400 has 1 dark frames, 2 are needed", dark=tmp_path / "one")
    refused("ISO 400 has no exposure time with 2 flat frames", flat=tmp_path / "one")
    for number in (1, 2):
        write(tmp_path / "same" / f"{number}.dng", plain, 400)
        write(tmp_path / "small" / f"{number}.dng", plain[:64, :64], 400)
    refused("1.dng does not fit 1.dng: 32 x 32 cells", dark=tmp_path / "same", flat=tmp_path / "small")
    flat = np.full((SIDE, SIDE), 3000, np.uint16)
    flat[:, 0] = 3001  # rows of equal px are taken for missing data
    for number in (1, 2):
        write(tmp_path / "still" / f"{number}.dng", flat, 400)
    refused("does not rise with their brightness", dark=tmp_path / "same", flat=tmp_path / "still")
