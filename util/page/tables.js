// Tables of scores by image, and thumbnails; what is not seen is not made.

const scoreOf = (plate, method, metric) => plate.scores[method]?.[metric] ?? null;
const shownScore = (value, metric) => (value === null || value === undefined ? '' : value.toFixed(metric.includes('psnr') ? 2 : 4));

function element(tag, text = '', properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

class Tables {
  constructor(open) {
    this.open = open; // called with the number of an image
    this.sorted = { key: '', down: true };
    this.watch = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) if (isIntersecting) this.draw(target);
    }, { root: byId('strip'), rootMargin: '0px 400px' });
  }

  // Another set of images.
  fill(plates) {
    this.plates = plates;
    this.order = plates.map((_, number) => number);
    this.told = null;
    this.sorted = { key: '', down: true };
    this.watch.disconnect();
    byId('strip').replaceChildren(...plates.map((plate, number) => {
      const button = element('button', '', { title: plate.name, onclick: () => this.open(number) });
      button.dataset.plate = number;
      this.watch.observe(button);
      return button;
    }));
  }

  draw(button) {
    this.watch.unobserve(button);
    const { thumb, name } = this.plates[button.dataset.plate];
    button.replaceChildren(element('img', '', { src: thumb, alt: name }));
  }

  // The table of the scores of method `a`, and in small how far they are above those of `b`.
  tell(current, a, b) {
    const told = [current, a, b, this.sorted.key, this.sorted.down].join('\n');
    if (this.told === told) return;
    this.told = told;
    const metrics = [...new Set(this.plates.flatMap((plate) => Object.keys(plate.scores[a] ?? {})))];
    const compares = a !== b && this.plates.some((plate) => Object.keys(plate.scores[b] ?? {}).length);
    const values = (number) => this.values(this.plates[number], metrics, a, b);
    this.sort(values);
    const head = element('tr');
    head.append(this.head('image', 'name'), ...metrics.flatMap((metric) => [
      this.head(metric, metric), ...(compares ? [this.head('±', `${metric} ±`)] : []),
    ]));
    const rows = this.order.map((number) => {
      const row = element('tr', '', { className: number === current ? 'on' : '', onclick: () => this.open(number) });
      row.dataset.plate = number;
      const found = values(number);
      row.append(element('td', this.plates[number].name, { className: 'what' }), ...metrics.flatMap((metric) => {
        const score = element('td', shownScore(found[metric], metric));
        if (!compares) return [score];
        const step = found[`${metric} ±`], cell = element('td');
        cell.append(element('small', step === null ? '' : (step > 0 ? '+' : '') + shownScore(step, metric)));
        return [score, cell];
      }));
      return row;
    });
    const caption = element('caption', compares ? `${a}, and how far it is above ${b}` : a);
    byId('images').replaceChildren(...(metrics.length ? [caption] : []), head, ...rows);
    for (const button of byId('strip').children) button.classList.toggle('on', Number(button.dataset.plate) === current);
    byId('strip').children[current]?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  values(plate, metrics, a, b) {
    const found = { name: plate.name };
    for (const metric of metrics) {
      const [one, other] = [scoreOf(plate, a, metric), scoreOf(plate, b, metric)];
      found[metric] = one;
      found[`${metric} ±`] = one === null || other === null || a === b ? null : one - other;
    }
    return found;
  }

  head(text, key) {
    const kind = `${key === 'name' ? 'what' : ''} ${this.sorted.key === key ? 'sorted' : ''}`;
    const arrow = this.sorted.key === key ? (this.sorted.down ? ' ▾' : ' ▴') : '';
    const cell = element('th', text + arrow, { className: kind, title: `sort by ${key}` });
    cell.onclick = () => {
      this.sorted = { key, down: this.sorted.key === key ? !this.sorted.down : key !== 'name' };
      this.open(null);
    };
    cell.dataset.key = key;
    return cell;
  }

  // What has no score stands at the end, however it is sorted.
  sort(values) {
    const { key, down } = this.sorted;
    if (!key) return;
    const found = new Map(this.order.map((number) => [number, values(number)[key]]));
    this.order.sort((one, other) => {
      const [x, y] = [found.get(one), found.get(other)];
      if (x === null || y === null) return (x === null) - (y === null);
      const step = typeof x === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return down ? -step : step;
    });
  }
}
