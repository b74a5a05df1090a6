// Puts the page together: controls, keys, and what they say of the state.

const groups = JSON.parse(byId('content').textContent);
let group = groups.find((one) => one.plates.length) ?? groups[0];
let current = 0;

const tables = new Tables((number) => (number === null ? tell() : open(number)));
const viewer = new Viewer(byId('view'), tell);

function tell() {
  const { look, a, b, plate } = viewer;
  const metric = Object.keys(plate.scores[a] ?? Object.values(plate.scores)[0] ?? {})[0];
  byId('name').textContent = plate.name;
  byId('methods').replaceChildren(...viewer.methods.map((method, place) => {
    const kind = method === a ? 'a' : look.wipe && method === b ? 'b' : '';
    const button = element('button', '', { className: kind, onclick: (event) => viewer.choose(method, event.shiftKey) });
    button.append(element('i', place < 9 ? place + 1 : ''), method, element('i', shownScore(scoreOf(plate, method, metric), metric ?? '')));
    return button;
  }));
  byId('other').replaceChildren(...viewer.methods.map((method) => element('option', method, { value: method, selected: method === b })));
  Object.assign(byId('wipe'), { checked: look.wipe });
  Object.assign(byId('error'), { checked: look.error, disabled: !viewer.hasTruth });
  byId('exposure').value = look.exposure;
  byId('stops').textContent = `${look.exposure > 0 ? '+' : ''}${look.exposure.toFixed(1)} EV`;
  byId('curve').value = look.curve;
  byId('gain').value = Math.log2(look.gain);
  byId('times').textContent = `× ${look.gain.toFixed(1)}`;
  byId('detail').disabled = !plate.shots[a].detail;
  byId('detail').classList.toggle('on', viewer.view === 'detail');
  Object.assign(byId('sheet'), { hidden: !plate.sheet, href: plate.sheet });
  byId('left').textContent = a;
  Object.assign(byId('right'), { hidden: !look.wipe, textContent: b });
  byId('divider').hidden = !look.wipe;
  tables.tell(current, a, b);
}

function open(number) {
  current = Math.min(Math.max(number, 0), group.plates.length - 1);
  viewer.open(group.plates[current]);
}

// The next image in the order of the table.
function step(by) {
  const place = tables.order.indexOf(current) + by;
  if (place >= 0 && place < tables.order.length) open(tables.order[place]);
}

function enter(chosen) {
  group = chosen;
  tables.fill(group.plates);
  open(0);
}

const toggle = (name) => viewer.set({ [name]: !viewer.look[name] });
const shiftExposure = (by) => viewer.set({ exposure: by === null ? 0 : viewer.look.exposure + by });
const nextCurve = () => viewer.set({ curve: (viewer.look.curve + 1) % CURVES.length });
const togglePanel = () => document.body.classList.toggle('narrow');
const toggleHelp = () => byId('keys').toggleAttribute('hidden');

const KEYS = {
  w: () => toggle('wipe'), e: () => toggle('error'), c: nextCurve, x: () => viewer.swap(),
  ',': () => shiftExposure(-0.5), '.': () => shiftExposure(0.5), 0: () => shiftExposure(null),
  '+': () => viewer.zoom(2 ** 0.5), '=': () => viewer.zoom(2 ** 0.5), '-': () => viewer.zoom(2 ** -0.5),
  f: () => viewer.fit(), z: () => viewer.actual(), d: () => viewer.toggleDetail(),
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => step(-1), ArrowDown: () => step(1),
  Home: () => open(tables.order[0]), End: () => open(tables.order.at(-1)),
  s: togglePanel, h: toggleHelp, '?': toggleHelp,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('select, input[type=range]')) return;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  if (digit) viewer.choose(viewer.methods[digit[1] - 1], event.shiftKey);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function listen() {
  const on = (id, kind, act) => byId(id).addEventListener(kind, (event) => act(event.target));
  document.addEventListener('keydown', onKey);
  on('group', 'change', (target) => enter(groups[target.value]));
  on('previous', 'click', () => step(-1));
  on('next', 'click', () => step(1));
  on('wipe', 'change', (target) => viewer.set({ wipe: target.checked }));
  on('other', 'change', (target) => viewer.choose(target.value, true));
  on('exposure', 'input', (target) => viewer.set({ exposure: Number(target.value) }));
  on('curve', 'change', (target) => viewer.set({ curve: Number(target.value) }));
  on('error', 'change', (target) => viewer.set({ error: target.checked }));
  on('gain', 'input', (target) => viewer.set({ gain: 2 ** target.value }));
  on('fit', 'click', () => viewer.fit());
  on('actual', 'click', () => viewer.actual());
  on('detail', 'click', () => viewer.toggleDetail());
  on('panel', 'click', togglePanel);
  on('help', 'click', toggleHelp);
  for (const id of ['group', 'other', 'exposure', 'curve', 'gain']) on(id, 'change', (target) => target.blur());
}

if (group?.plates.length) {
  byId('curve').replaceChildren(...CURVES.map((name, value) => element('option', name, { value })));
  const shown = groups.map((one, value) => [one, value]).filter(([one]) => one.plates.length);
  byId('group').replaceChildren(...shown.map(([one, value]) => element('option', one.title, { value })));
  byId('group').hidden = shown.length < 2;
  listen();
  enter(group);
} else document.body.classList.add('bare');
