// A point of any cell is marked in all of them and in the photo, and each cell says what evidence it has there. By
// mouse or pen, and in the cell that has the focus by Shift and the arrow keys.
let point = null; // in parts of the photo's width and height

const panel = () => element.closest('[role=tabpanel]') ?? element;

const mark = () => {
  panel().classList.toggle('pointing', point !== null);
  if (point) ['--x', '--y'].forEach((name, axis) => panel().style.setProperty(name, `${100 * point[axis]}%`));
  for (const cell of element.querySelectorAll('button.cell')) {
    const words = cell.nextElementSibling;
    words.dataset.rest ??= words.textContent;
    const value = point && evidenceAt(cell, ...point);
    words.textContent = point && value !== null ? inWords(value) : words.dataset.rest;
  }
};

element.addEventListener('pointermove', (event) => {
  const stage = event.target.closest('button.cell .stage');
  if (!stage || event.pointerType === 'touch') return;
  const box = stage.getBoundingClientRect();
  point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  mark();
});
element.addEventListener('pointerleave', () => { if (point) { point = null; mark(); } });

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener('keydown', (event) => {
  if (!event.shiftKey || !(event.key in MOVES) || !event.target.closest('button.cell')) return;
  event.preventDefault();
  point = (point ?? [0.5, 0.5]).map((v, axis) => Math.min(0.999, Math.max(0, v + MOVES[event.key][axis] / 32)));
  mark();
});
element.addEventListener('focusout', () => { if (point) { point = null; mark(); } });
