"""Golden checks of the noise model of low-light raw frames, with the published random numbers."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from data.simulate.sensor_noise import NoiseLevels, NoiseModel, scale_of
from data.simulate.sensors import named_sensor
from util.imaging.bayer import pack, unpack

OURS = [0, 1, 3, 2]  # published planes R, G, B, G2 -> R, G, G2, B


class Given:
    """Random numbers of a file, handed out in the order in which planes are worked on."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = {name: iter(np.float32(values).ravel()) for name, values in arrays.items()}

    def _next(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.fromiter(self.arrays[name], np.float32, int(np.prod(shape))).reshape(shape)

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._next("quant", shape)

    def normal(self, shape: tuple[int, ...], use: str) -> np.ndarray:
        return self._next(use, shape) if use in self.arrays else np.zeros(shape, np.float32)

    def poisson(self, mean: np.ndarray) -> np.ndarray:
        return self._next("poisson_count", mean.shape)

    def tukey(self, shape: tuple[int, ...], lam: float) -> np.ndarray:
        return self._next("read", shape)


def check_noise(data) -> None:
    """Scales and gains of all cameras, the order of planes, and a noisy image per model."""
    for name in data["cameras"]:
        sensor = named_sensor(str(name))
        lines = (sensor.read_gaussian, sensor.read_tukey, sensor.read_row)
        scales = [[[scale_of(line, k, z) for line in lines] for z in data["normal_draw"]] for k in data["K"]]
        assert_allclose(scales, data[f"scale_{name}"], rtol=1e-6)
        gains = [sensor.gain_of_iso(iso) for iso in data["iso"]]
        assert_allclose(gains, data[f"iso_to_gain_{name}"], rtol=1e-6)
    if "bayer" in data:
        assert_array_equal(pack(data["bayer"], "RGGB"), data["packed"][OURS])
        assert_array_equal(unpack(data["packed"][OURS], "RGGB"), data["bayer"])
    for model in (key.split("_")[1] for key in data if key.endswith("_noisy")):
        check_case(data, model)


def check_case(data, letters: str) -> None:
    """The noisy image of a model with the file's random numbers, and its input left as it is."""
    gain, ratio, gaussian, tukey, row = (
        float(data[f"case_{name}"]) for name in ("gain", "ratio", "g_scale", "G_scale", "row_scale")
    )
    levels = NoiseLevels(gain, gaussian, tukey, row, float(data["case_shape"].ravel()[0]), np.zeros(4))
    start = f"case_{letters}_"
    names = [key.removeprefix(start) for key in data if key.startswith(start)]
    arrays = {name: data[start + name] for name in names}
    arrays = {name: values[OURS] if values.ndim == 3 else values for name, values in arrays.items()}
    if "row" in arrays:
        arrays["row"] = arrays["row"].reshape(-1, 2).T  # one per row of the mosaic
    clean = data["clean"][OURS]
    noisy = NoiseModel(letters, "published").apply(clean, ratio, levels, Given(arrays))
    assert_allclose(noisy, arrays["noisy"], rtol=2e-6, atol=2e-6)
    assert_array_equal(clean, data["clean"][OURS])


CHECKS = {"exposurediffusion_noise": check_noise}
