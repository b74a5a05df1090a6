// Linear light of images: read when it is first needed, kept while it is of use.

const waiting = new Map(); // key -> what takes the packed text of a script that is being loaded
window.register = (key, packed) => waiting.get(key)?.(packed);

// The packed text of a shot: of the page itself, or of a file beside it. A page from a disk may not fetch
// files, but may run scripts.
function packedOf(shot) {
  const held = document.getElementById(`light-${shot.key}`);
  if (held) return Promise.resolve(held.textContent);
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    const done = (settle, value) => { waiting.delete(shot.key); script.remove(); settle(value); };
    waiting.set(shot.key, (packed) => done(resolve, packed));
    script.onerror = () => done(reject, new Error(`${decodeURI(shot.file)} is gone: run the program again that wrote this page`));
    script.src = shot.file;
    document.head.append(script);
  });
}

// Codes of half floats, RGB by rows, of a packed text: see radiance_data.py.
async function unpacked(packed, width, height) {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = 3 * width * height;
  const codes = new Uint16Array(size);
  for (let start = 0; start < size; start += 3 * width) {
    for (let i = start; i < start + 3 * width; i++) {
      const left = i < start + 3 ? 0 : codes[i - 3];
      codes[i] = left + (planes[i] << 8 | planes[size + i]);
    }
  }
  return codes;
}

function numberOf(code) {
  const exponent = code >> 10 & 31, fraction = code & 1023;
  return exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
}

// The last few images, which are the most likely to be shown again.
class Cache {
  constructor(limit) { this.limit = limit; this.held = new Map(); }

  get(shot) {
    const found = this.held.get(shot.key) ?? packedOf(shot)
      .then(async (packed) => ({ ...shot, codes: await unpacked(packed, shot.width, shot.height) }));
    this.held.delete(shot.key);
    this.held.set(shot.key, found);
    found.catch(() => this.held.delete(shot.key));
    for (const key of this.held.keys()) {
      if (this.held.size <= this.limit) break;
      this.held.delete(key);
    }
    return found;
  }
}
