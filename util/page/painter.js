// Draws the same on a plain canvas, for browsers without WebGL 2; and gives values of px to both.

const CURVES = ['mu-law', 'sRGB', 'Reinhard'];

function srgbCode(x) { return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055; }

function codeOf(light, curve) {
  if (curve === 0) return Math.log(1 + 5000 * Math.min(light, 1)) / Math.log(5001);
  return srgbCode(curve === 1 ? Math.min(light, 1) : light / (1 + light));
}

function pixelAt(image, u, v) {
  const x = Math.floor(u * image.width), y = Math.floor(v * image.height);
  return x < 0 || y < 0 || x >= image.width || y >= image.height ? -1 : 3 * (y * image.width + x);
}

class PlainPainter {
  constructor(canvas) {
    this.context = canvas.getContext('2d');
    this.codes = null; // of each half float that is not negative, at an exposure and by a curve
  }

  paint(images, look) {
    const { width, height } = this.context.canvas;
    const picture = this.context.createImageData(width, height);
    new Uint32Array(picture.data.buffer).fill(0xff0b0b0b);
    this.prepare(look);
    const columns = images.map((image) => placesOf(image.width, width, look.place[0], look.place[2]));
    const rows = images.map((image) => placesOf(image.height, height, look.place[1], look.place[3]));
    const draw = look.error ? this.error : this.light;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const side = x < look.divider ? 0 : 1;
        if (rows[side][y] < 0 || columns[side][x] < 0) continue;
        const from = 3 * (rows[side][y] * images[side].width + columns[side][x]);
        const there = 3 * (rows[2][y] * images[2].width + columns[2][x]);
        draw.call(this, picture.data, 4 * (y * width + x), images[side].codes, from, images[2].codes, there, look.gain);
      }
    }
    this.context.putImageData(picture, 0, 0);
  }

  prepare(look) {
    const made = `${look.exposure} ${look.curve}`;
    if (this.made === made) return;
    this.made = made;
    this.codes = Float32Array.from({ length: 32768 }, (_, code) => codeOf(numberOf(code) * 2 ** look.exposure, look.curve));
  }

  light(data, to, image, from) {
    for (let part = 0; part < 3; part++) data[to + part] = 255 * this.codes[image[from + part]];
  }

  error(data, to, image, from, truth, there, gain) {
    let sum = 0;
    for (let part = 0; part < 3; part++) sum += Math.abs(this.codes[image[from + part]] - this.codes[truth[there + part]]);
    for (let part = 0; part < 3; part++) data[to + part] = 255 * (gain * sum - part); // cut to 0..255
  }
}

// Which of so many px of an image stands at each px of a canvas; -1 beside it.
function placesOf(count, length, start, size) {
  return Int32Array.from({ length }, (_, px) => {
    const share = (px + 0.5 - start) / size;
    return share >= 0 && share < 1 ? Math.floor(share * count) : -1;
  });
}

function createPainter(canvas) {
  try {
    return new GpuPainter(canvas);
  } catch (error) {
    console.info(`drawn without WebGL: ${error.message}`);
    return new PlainPainter(canvas);
  }
}
