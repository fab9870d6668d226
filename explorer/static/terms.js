// The weighted sum, computed again in the browser: a map is taken out of it or put back, and a point of it shows its
// terms. The numbers are the server's, as 16-bit integers of a share of each map's largest magnitude.
const STEPS = 32767;
let point = null; // row and column of the layer's own grid, or of what it was reduced to
const digits = (value) => (value < 0 ? '−' : '+') + Math.abs(value).toPrecision(3).replace('e-', 'e−');

const numbers = (node) => {
  const bytes = Uint8Array.from(atob(node.dataset.values), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Int16Array(bytes.buffer), (step) => (step * Number(node.dataset.limit)) / STEPS);
};

// The sum that is left, and the terms of the maps that have a picture.
const current = () => {
  const board = element.querySelector('.recomputed');
  const whole = numbers(board);
  const left = whole.slice();
  const terms = [...element.querySelectorAll('.card[data-values]')].map((card) => {
    const out = card.querySelector('button.take').getAttribute('aria-pressed') === 'true';
    const values = numbers(card);
    if (out) values.forEach((value, at) => { left[at] -= value; });
    return { k: card.dataset.map, out, values };
  });
  return { board, whole, left, terms };
};

const most = (values) => values.reduce((one, other) => Math.max(one, other), 0);

const draw = () => {
  const { board, whole, left, terms } = current();
  const canvas = board.querySelector('canvas');
  const [width, height] = [canvas.width, canvas.height];
  const picture = new ImageData(width, height);
  const top = most(whole) || 1;
  const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const colours = board.dataset.colours.split(' ').map(channels);
  left.forEach((value, at) => {
    const level = Math.min(1, Math.max(0, value) / top);
    const colour = colours[Math.round(level * (colours.length - 1))];
    picture.data.set([...colour, 255], 4 * at);
  });
  canvas.getContext('2d').putImageData(picture, 0, 0);
  const out = terms.filter((term) => term.out).map((term) => term.k);
  const without = out.length ? `Without map${out.length > 1 ? 's' : ''} ${out.join(', ')}` : 'All maps in';
  const heat = (values) => values.reduce((sum, value) => sum + Math.max(0, value), 0);
  const share = heat(whole) ? Math.round((100 * heat(left)) / heat(whole)) : 0;
  board.querySelector('[role=status]').textContent =
    `${without}: largest ${digits(most(left))}, ${share}\u00a0% of the heat there was.`;
  tell(out, share);
  board.querySelector('.at').textContent = point ? atPoint(left, terms, width) : '';
};

// A card whose map is out says what is left, for the picture of it is a screen away.
const tell = (out, share) => {
  for (const card of element.querySelectorAll('.card[data-values]')) {
    const words = card.querySelector('figcaption small');
    if (!words) continue;
    if (out.includes(card.dataset.map)) {
      words.dataset.whole ??= words.textContent;
      words.textContent = `without ${out.length > 1 ? 'these' : 'it'}: ${share}\u00a0%`;
    } else if (words.dataset.whole) words.textContent = words.dataset.whole;
  }
};

const atPoint = (left, terms, width) => {
  const at = point[0] * width + point[1];
  const inside = terms.filter((term) => !term.out).map(({ k, values }) => ({ k, value: values[at] }));
  const largest = inside.sort((one, other) => Math.abs(other.value) - Math.abs(one.value)).slice(0, 3);
  const rest = left[at] - largest.reduce((sum, term) => sum + term.value, 0);
  const words = largest.map(({ k, value }) => `map ${k} ${digits(value)}`);
  const listed = `${words.join(', ')}, all others ${digits(rest)}`;
  return `Row ${point[0]}, column ${point[1]}: ${listed}; the sum is ${digits(left[at])}.`;
};

element.addEventListener('click', (event) => {
  const button = event.target.closest('button.take');
  if (button) {
    const out = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(out));
    button.textContent = out ? 'put back' : 'take out';
    draw();
  }
  const strongest = event.target.closest('button.strongest');
  if (strongest) trigger('select', { map: strongest.closest('.card').dataset.map });
});

element.addEventListener('pointermove', (event) => {
  const canvas = event.target.closest('.recomputed canvas');
  if (!canvas) return;
  const box = canvas.getBoundingClientRect();
  const inside = (part, size) => Math.min(size - 1, Math.max(0, Math.floor(part * size)));
  const [down, across] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  point = [inside(down, canvas.height), inside(across, canvas.width)];
  draw();
});

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
element.addEventListener('keydown', (event) => {
  const canvas = event.target.closest('.recomputed canvas');
  if (!canvas || !(event.key in MOVES)) return;
  event.preventDefault();
  const limits = [canvas.height - 1, canvas.width - 1];
  point ??= limits.map((limit) => Math.floor(limit / 2));
  point = point.map((v, axis) => Math.min(limits[axis], Math.max(0, v + MOVES[event.key][axis])));
  draw();
});

const arrived = () => { point = null; if (element.querySelector('.recomputed')) draw(); };
watch('value', arrived);
arrived();
