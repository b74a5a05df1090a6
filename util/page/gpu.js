// Draws two images by WebGL 2, from half floats.

const VERTEX = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D images[3]; // of the left side, of the right side, and the truth
uniform vec4 place;          // left, top, width and height of the image on the canvas
uniform float height, exposure, gain, divider;
uniform int curve;
uniform bool error;
out vec4 colour;

vec3 srgb(vec3 x) {
  return mix(12.92 * x, 1.055 * pow(max(x, 1e-9), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, x));
}

vec3 code(sampler2D image, vec2 at) {
  vec3 x = exposure * texture(image, at).rgb;
  if (curve == 0) return log(1.0 + 5000.0 * min(x, 1.0)) / log(5001.0);
  return srgb(curve == 1 ? min(x, 1.0) : x / (1.0 + x));
}

vec3 heat(float x) {
  return clamp(vec3(3.0 * x, 3.0 * x - 1.0, 3.0 * x - 2.0), 0.0, 1.0);
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  vec2 at = (pixel - place.xy) / place.zw;
  if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, vec2(1.0)))) { colour = vec4(0.043, 0.043, 0.043, 1.0); return; }
  vec3 shown = pixel.x < divider ? code(images[0], at) : code(images[1], at);
  colour = vec4(error ? heat(gain * dot(abs(shown - code(images[2], at)), vec3(1.0 / 3.0))) : shown, 1.0);
}`;

class GpuPainter {
  constructor(canvas) {
    const gl = canvas.getContext('webgl2', { antialias: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error('no WebGL 2');
    this.gl = gl;
    this.textures = new Map(); // key -> texture
    this.program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
    }
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(this.program));
    gl.useProgram(this.program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.bindAttribLocation(this.program, 0, 'corner');
    gl.vertexAttribPointer(gl.getAttribLocation(this.program, 'corner'), 2, gl.FLOAT, false, 0, 0);
    this.at = Object.fromEntries(['images', 'place', 'height', 'exposure', 'gain', 'divider', 'curve', 'error']
      .map((name) => [name, gl.getUniformLocation(this.program, name)]));
  }

  paint(images, look) {
    const { gl, at } = this;
    const { width, height } = gl.canvas;
    gl.viewport(0, 0, width, height);
    images.forEach((image, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.texture(image));
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, look.place[2] > 1.5 * image.width ? gl.NEAREST : gl.LINEAR);
    });
    gl.uniform1iv(at.images, [0, 1, 2]);
    gl.uniform4fv(at.place, look.place);
    gl.uniform1f(at.height, height);
    gl.uniform1f(at.exposure, 2 ** look.exposure);
    gl.uniform1f(at.gain, look.gain);
    gl.uniform1f(at.divider, look.divider);
    gl.uniform1i(at.curve, look.curve);
    gl.uniform1i(at.error, look.error);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    this.forget(images);
  }

  texture(image) {
    const { gl } = this;
    if (!this.textures.has(image.key)) {
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB16F, image.width, image.height, 0, gl.RGB, gl.HALF_FLOAT, image.codes);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      this.textures.set(image.key, texture);
    }
    return this.textures.get(image.key);
  }

  forget(shown) {
    for (const [key, texture] of this.textures) {
      if (this.textures.size <= 12) return;
      if (shown.some((image) => image.key === key)) continue;
      this.gl.deleteTexture(texture);
      this.textures.delete(key);
    }
  }
}
