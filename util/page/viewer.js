// The image on show: which methods, where, how bright. Position and brightness stay when methods change.

const TRUTH = 'ground truth';
const byId = (id) => document.getElementById(id);

class Viewer {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed; // called when another method, or what is shown of it, is to be told elsewhere
    this.cache = new Cache(16);
    this.painter = createPainter(canvas);
    this.look = { exposure: 0, curve: 0, gain: 8, error: false, wipe: false, at: 0.5 };
    this.position = null; // px of the canvas per width of the image, and what of the image is in the middle
    this.view = 'whole';
    this.images = [];
    this.a = this.b = '';
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen();
  }

  get methods() { return this.plate ? Object.keys(this.plate.shots) : []; }
  get hasTruth() { return this.methods.includes(TRUTH); }

  shot(method) { return this.plate.shots[method][this.view] ?? this.plate.shots[method].whole; }

  // Another image; the methods stay those that were shown, where it has them.
  open(plate) {
    this.plate = plate;
    if (!this.methods.includes(this.a)) this.a = this.methods[0];
    if (!this.methods.includes(this.b)) this.b = this.methods.find((method) => method !== this.a) ?? this.a;
    if (!plate.shots[this.a].detail) this.view = 'whole';
    this.position = null;
    this.show();
  }

  async show() {
    const order = this.order = Symbol('the latest wish');
    this.changed();
    this.canvas.ariaBusy = true;
    const wanted = [this.a, this.look.wipe ? this.b : this.a, this.look.error ? TRUTH : this.a];
    const late = setTimeout(() => { if (order === this.order) byId('note').textContent = 'reading ...'; }, 200);
    let images = [], note = '';
    try {
      images = await Promise.all(wanted.map((method) => this.cache.get(this.shot(method))));
    } catch (error) {
      note = error.message;
    }
    clearTimeout(late);
    if (order !== this.order) return;
    this.canvas.ariaBusy = false;
    byId('note').textContent = note;
    this.images = images;
    this.canvas.style.visibility = note ? 'hidden' : '';
    this.paint();
  }

  choose(method, other = false) {
    if (!method) return;
    if (other) { this.b = method; this.look.wipe = true; } else this.a = method;
    this.show();
  }

  swap() { [this.a, this.b] = [this.b, this.a]; this.show(); }

  set(changes) {
    Object.assign(this.look, changes);
    this.look.exposure = Math.min(Math.max(Math.round(10 * this.look.exposure) / 10, -6), 12);
    this.look.error &&= this.hasTruth;
    this.show();
  }

  toggleDetail() {
    if (!this.plate?.shots[this.a].detail) return;
    this.view = this.view === 'whole' ? 'detail' : 'whole';
    this.position = null;
    this.show();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.paint();
  }

  paint() {
    if (!this.images.length || !this.canvas.width) return;
    const { width, height } = this.canvas;
    const [left, top, wide, high] = this.place();
    const divider = this.look.wipe ? Math.round(this.look.at * width) : width;
    this.painter.paint(this.images, { ...this.look, place: [left, top, wide, high], divider });
    byId('divider').style.left = `${100 * divider / width}%`;
    this.canvas.dataset.place = [left, top, wide, high].map((side) => side.toFixed(2)).join(' ');
    this.canvas.dataset.painted = 1 + Number(this.canvas.dataset.painted ?? 0);
  }

  // Left, top, width and height of the image on the canvas.
  place() {
    const { width, height } = this.canvas, image = this.images[0];
    this.position ??= { wide: this.whole(), x: 0.5, y: 0.5 };
    const { wide, x, y } = this.position, high = wide * image.height / image.width;
    return [Math.round(width / 2 - x * wide), Math.round(height / 2 - y * high), wide, high];
  }

  // The width at which all of the image can be seen.
  whole() {
    const { width, height } = this.canvas, image = this.images[0];
    return Math.min(width, height * image.width / image.height);
  }

  fit() { this.position = null; this.paint(); }

  // Enlarges about a point of the canvas, which stays where it is.
  zoom(factor, px = this.canvas.width / 2, py = this.canvas.height / 2) {
    if (!this.images.length) return;
    const [left, top, wide, high] = this.place(), { width, height } = this.canvas;
    const now = Math.min(Math.max(wide * factor, 64), 64 * this.images[0].width);
    const u = (px - left) / wide, v = (py - top) / high, tall = now * high / wide;
    this.position = { wide: now, x: u + (width / 2 - px) / now, y: v + (height / 2 - py) / tall };
    this.paint();
  }

  actual() { if (this.images.length) this.zoom(this.images[0].width / this.place()[2]); }

  move(dx, dy) {
    const [, , wide, high] = this.place();
    this.position.x -= dx / wide;
    this.position.y -= dy / high;
    this.paint();
  }

  listen() {
    const point = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [(event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio];
    };
    let drag = null;
    const isLine = (x) => this.look.wipe && Math.abs(x - this.look.at * this.canvas.width) < 8 * devicePixelRatio;
    this.canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY / 240), ...point(event));
    }, { passive: false });
    this.canvas.addEventListener('pointerdown', (event) => {
      drag = { from: point(event), line: isLine(point(event)[0]) };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener('pointermove', (event) => {
      const [x, y] = point(event);
      this.canvas.style.cursor = isLine(x) ? 'col-resize' : '';
      this.tell(x, y);
      if (!drag || !this.images.length) return;
      if (drag.line) {
        this.look.at = Math.min(Math.max(x / this.canvas.width, 0), 1);
        this.paint();
      } else this.move(x - drag.from[0], y - drag.from[1]);
      drag.from = [x, y];
    });
    for (const end of ['pointerup', 'pointercancel']) this.canvas.addEventListener(end, () => { drag = null; });
    this.canvas.addEventListener('pointerleave', () => { byId('probe').textContent = ''; });
    this.canvas.addEventListener('dblclick', () => (this.place()[2] === this.whole() ? this.actual() : this.fit()));
  }

  // Linear values under the pointer.
  tell(x, y) {
    if (!this.images.length) return;
    const [left, top, wide, high] = this.place();
    const shown = this.look.wipe ? [[this.a, 0], [this.b, 1]] : [[this.a, 0]];
    byId('probe').textContent = shown.map(([method, side]) => {
      const image = this.images[side], at = pixelAt(image, (x - left) / wide, (y - top) / high);
      if (at < 0) return '';
      const values = [0, 1, 2].map((part) => numberOf(image.codes[at + part]).toPrecision(3));
      return `${method}  ${values.join('  ')}`;
    }).filter(Boolean).join('\n');
  }
}
