// Lets a visitor draw on the photo, with a pointer of any kind or the keyboard. Each finished stroke is sent, white on black.
let strokes = []; // of the photo on the pad: { width, points: [[x, y], …] } in the photo's pixels
let current = null; // the stroke being drawn
let photo = null;
let at = null; // where the keyboard's brush is

const canvas = () => element.querySelector('canvas');
const width = () => Number(element.querySelector('input').value);

const put = (context, colour) => {
  context.lineCap = context.lineJoin = 'round';
  context.strokeStyle = colour;
  for (const stroke of current ? [...strokes, current] : strokes) {
    context.lineWidth = stroke.width;
    context.beginPath();
    stroke.points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.lineTo(...stroke.points[0].map((v, axis) => stroke.points.length > 1 ? stroke.points.at(-1)[axis] : v + 0.01)); // a dot is a line too
    context.stroke();
  }
};

const show = () => {
  const paper = canvas();
  const context = paper.getContext('2d');
  context.clearRect(0, 0, paper.width, paper.height);
  put(context, '#ff2fd0'); // no plant, pot or shelf has it
};

const send = () => {
  const mask = Object.assign(document.createElement('canvas'), { width: canvas().width, height: canvas().height });
  const context = mask.getContext('2d');
  context.fillStyle = '#000';
  context.fillRect(0, 0, mask.width, mask.height);
  put(context, '#fff');
  trigger('select', { photo, picture: strokes.length ? mask.toDataURL('image/png') : '' });
};

const renew = () => {
  if (!canvas() || canvas().dataset.photo === photo) return;
  photo = canvas().dataset.photo;
  strokes = [];
  current = at = null;
  show();
};

const place = (event) => {
  const paper = canvas();
  const box = paper.getBoundingClientRect();
  return [((event.clientX - box.left) * paper.width) / box.width, ((event.clientY - box.top) * paper.height) / box.height];
};

const begin = (point) => { renew(); current = { width: width(), points: [point] }; show(); };
const finish = () => { if (!current) return; strokes.push(current); current = null; show(); send(); };

element.addEventListener('pointerdown', (event) => {
  if (event.target !== canvas() || event.button > 0 || !event.isPrimary) return;
  event.target.setPointerCapture(event.pointerId);
  begin(place(event));
});
element.addEventListener('pointermove', (event) => {
  if (!current || !event.isPrimary || event.target !== canvas()) return;
  current.points.push(...(event.getCoalescedEvents?.() ?? []).map(place), place(event));
  show();
});
element.addEventListener('pointerup', finish);
element.addEventListener('pointercancel', finish);

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener('keydown', (event) => {
  const paper = canvas();
  if (event.target !== paper || !(event.key in STEPS || event.key === ' ')) return;
  event.preventDefault();
  renew();
  at ??= [paper.width / 2, paper.height / 2];
  if (event.key === ' ') { if (!current) begin([...at]); }
  else {
    at = at.map((v, axis) => Math.min(Math.max(v + STEPS[event.key][axis] * 6, 0), paper.width));
    if (current) { current.points.push([...at]); show(); }
  }
  const tip = element.querySelector('.tip');
  tip.hidden = false;
  tip.style.cssText = `left: ${(100 * at[0]) / paper.width}%; top: ${(100 * at[1]) / paper.height}%; width: ${(100 * width()) / paper.width}%`;
});
element.addEventListener('keyup', (event) => { if (event.key === ' ' && event.target === canvas()) finish(); });
element.addEventListener('focusout', (event) => {
  if (event.target !== canvas()) return;
  element.querySelector('.tip').hidden = true;
  finish();
});

element.addEventListener('click', (event) => {
  const tool = event.target.closest('button[data-do]');
  if (!tool || !strokes.length) return;
  tool.dataset.do === 'undo' ? strokes.pop() : (strokes = []);
  show();
  send();
});

watch('value', renew);
renew();
