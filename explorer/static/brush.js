// Drawing on the photo with any pointer or the keyboard. After each finished stroke the mask is sent, white on black.
let strokes = []; // on the current photo: { width, points: [[x, y], …] } in the photo's pixels
let current = null; // the stroke being drawn
let photo = null;
let cursor = null; // position of the keyboard's brush

const canvas = () => element.querySelector('canvas');
const drawing = () => canvas()?.dataset.mode === 'brush';
const width = () => Number(element.querySelector('input').value);

const drawStrokes = (context, colour) => {
  context.lineCap = context.lineJoin = 'round';
  context.strokeStyle = colour;
  for (const stroke of current ? [...strokes, current] : strokes) {
    context.lineWidth = stroke.width;
    context.beginPath();
    stroke.points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    const last = stroke.points.length > 1 ? stroke.points.at(-1) : stroke.points[0].map((v) => v + 0.01);
    context.lineTo(...last); // a dot is a line of length 0.01
    context.stroke();
  }
};

const redraw = () => {
  const paper = canvas();
  const context = paper.getContext('2d');
  context.clearRect(0, 0, paper.width, paper.height);
  drawStrokes(context, '#ff2fd0'); // a colour that no plant, pot or shelf has
};

const send = () => {
  const mask = Object.assign(document.createElement('canvas'), { width: canvas().width, height: canvas().height });
  const context = mask.getContext('2d');
  context.fillStyle = '#000';
  context.fillRect(0, 0, mask.width, mask.height);
  drawStrokes(context, '#fff');
  trigger('select', { photo, mode: 'brush', picture: strokes.length ? mask.toDataURL('image/png') : '' });
};

const resetIfNewPhoto = () => {
  if (!canvas() || canvas().dataset.photo === photo) return;
  photo = canvas().dataset.photo;
  strokes = [];
  current = cursor = null;
  redraw();
};

// the pad came anew: its canvas may be another, or what was drawn may have to give way to clicks
const refresh = () => {
  if (!canvas()) return;
  resetIfNewPhoto();
  drawing() ? redraw() : canvas().getContext('2d').clearRect(0, 0, canvas().width, canvas().height);
};

const showTip = ([x, y], size) => {
  const paper = canvas();
  const tip = element.querySelector('.tip');
  tip.hidden = false;
  const [left, top, across] = [x / paper.width, y / paper.height, size / paper.width].map((part) => `${100 * part}%`);
  tip.style.cssText = `left: ${left}; top: ${top}; width: ${across}`;
};

const position = (event) => {
  const paper = canvas();
  const box = paper.getBoundingClientRect();
  const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  return [across * paper.width, down * paper.height];
};

const begin = (point) => { resetIfNewPhoto(); current = { width: width(), points: [point] }; redraw(); };
const finish = () => { if (!current) return; strokes.push(current); current = null; redraw(); send(); };

element.addEventListener('pointerdown', (event) => {
  if (event.target !== canvas() || !drawing() || event.button > 0 || !event.isPrimary) return;
  event.target.setPointerCapture(event.pointerId);
  begin(position(event));
});
element.addEventListener('pointermove', (event) => {
  if (!current || !event.isPrimary || event.target !== canvas()) return;
  current.points.push(...(event.getCoalescedEvents?.() ?? []).map(position), position(event));
  redraw();
});
element.addEventListener('pointerup', finish);
element.addEventListener('pointercancel', finish);

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener('keydown', (event) => {
  const paper = canvas();
  if (event.target !== paper || !drawing() || !(event.key in STEPS || event.key === ' ')) return;
  event.preventDefault();
  resetIfNewPhoto();
  cursor ??= [paper.width / 2, paper.height / 2];
  if (event.key === ' ') { if (!current) begin([...cursor]); }
  else {
    const limits = [paper.width, paper.height];
    cursor = cursor.map((v, axis) => Math.min(Math.max(v + STEPS[event.key][axis] * 6, 0), limits[axis]));
    if (current) { current.points.push([...cursor]); redraw(); }
  }
  showTip(cursor, width());
});
element.addEventListener('keyup', (event) => { if (event.key === ' ' && event.target === canvas()) finish(); });
element.addEventListener('focusout', (event) => {
  if (event.target !== canvas()) return;
  element.querySelector('.tip').hidden = true;
  finish();
});

element.addEventListener('click', (event) => {
  const tool = event.target.closest('button[data-do]');
  if (!tool || !drawing() || !strokes.length) return;
  tool.dataset.do === 'undo' ? strokes.pop() : (strokes = []);
  redraw();
  send();
});

watch('value', refresh);
refresh();
