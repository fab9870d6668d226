// Slider between two photos, moved by keys or any pointer. It opens in the middle of what changed, after one sweep
// across it; where a visitor has put it, it stays until another region or photo is changed.
// gr.ImageSlider (6.31) does not replace it: both its images have alt="", and its handle is a div without tabindex or
// keys, which Tab skips; of the requirements it meets one: it loads nothing from other hosts.
let seen = null; // the region of the photo that the last answer changed
let put = null; // where the visitor has put the curtain, in percent

const draw = (range) => {
  const figure = range.closest('figure');
  figure.classList.remove('sweep');
  figure.style.setProperty('--cut', range.value + '%');
};
const move = (range) => { put = range.value; draw(range); };

const follow = (event) => { // some touch screens move a range only by its thumb
  const stage = event.target.closest('.curtain .stage');
  if (!stage || !event.isPrimary || (event.type === 'pointermove' && !stage.hasPointerCapture(event.pointerId))) return;
  if (event.type === 'pointerdown') stage.setPointerCapture(event.pointerId);
  const box = stage.getBoundingClientRect();
  const range = stage.querySelector('input');
  range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
  range.focus({ preventScroll: true, focusVisible: false });
  move(range);
};

const STEPS = {
  ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -100, End: 100,
};
const step = (event) => { // a range whose step is "any" would move by a thousandth, or a tenth, as the browser likes
  if (!event.target.closest('.curtain') || !(event.key in STEPS)) return;
  event.preventDefault();
  event.target.value = Math.round(Number(event.target.value)) + STEPS[event.key];
  move(event.target);
};

const open = () => {
  const figure = element.querySelector('.curtain');
  if (!figure) return;
  const range = figure.querySelector('input');
  if (figure.dataset.key !== seen) [seen, put] = [figure.dataset.key, null];
  if (put !== null) { range.value = put; draw(range); return; }
  range.value = range.getAttribute('value');
  draw(range);
  void figure.offsetWidth; // or the browser would see no change of the class, and not sweep again
  figure.classList.add('sweep');
};

element.addEventListener('pointerdown', follow);
element.addEventListener('pointermove', follow);
element.addEventListener('keydown', step);
element.addEventListener('input', (event) => { if (event.target.closest('.curtain')) move(event.target); });
watch('value', open);
open();
