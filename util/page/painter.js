// Draws the same on a plain canvas, for browsers without WebGL 2; and gives values of px to both.

const CURVES = ['mu-law', 'sRGB', 'Reinhard'];

function srgbCode(x) { return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055; }

function codeOf(light, curve) {
  if (curve === 0) return Math.log(1 + 5000 * Math.min(light, 1)) / Math.log(5001);
  return srgbCode(curve === 1 ? Math.min(light, 1) : light / (1 + light));
}

function heatOf(x) { return [3 * x, 3 * x - 1, 3 * x - 2].map((part) => 255 * Math.min(Math.max(part, 0), 1)); }

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
    const [left, top, wide, high] = look.place;
    this.prepare(look);
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0; x < width; x++, to += 4) {
        const u = (x + 0.5 - left) / wide, v = (y + 0.5 - top) / high;
        picture.data.set(this.colour(images, x + 0.5 < look.divider ? 0 : 1, u, v, look), to);
        picture.data[to + 3] = 255;
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

  colour(images, side, u, v, look) {
    const from = pixelAt(images[side], u, v);
    if (from < 0) return [11, 11, 11];
    const shown = [0, 1, 2].map((part) => this.codes[images[side].codes[from + part]]);
    if (!look.error) return shown.map((code) => 255 * code);
    const truth = pixelAt(images[2], u, v);
    const steps = shown.map((code, part) => Math.abs(code - this.codes[images[2].codes[truth + part]]));
    return heatOf(look.gain * (steps[0] + steps[1] + steps[2]) / 3);
  }
}

function createPainter(canvas) {
  try {
    return new GpuPainter(canvas);
  } catch (error) {
    console.info(`drawn without WebGL: ${error.message}`);
    return new PlainPainter(canvas);
  }
}
