// Slider between two photos, moved by keys or any pointer; it keeps its position after a new result.
// gr.ImageSlider (6.31) does not replace it: both its images have alt="", and its handle is a div without tabindex or
// keys, which Tab skips; of the requirements it meets one: it loads nothing from other hosts.
const draw = (range) => range.closest('figure').style.setProperty('--cut', range.value + '%');

const follow = (event) => { // some touch screens move a range only by its thumb
  const stage = event.target.closest('.curtain .stage');
  if (!stage || !event.isPrimary || (event.type === 'pointermove' && !stage.hasPointerCapture(event.pointerId))) return;
  if (event.type === 'pointerdown') stage.setPointerCapture(event.pointerId);
  const box = stage.getBoundingClientRect();
  const range = stage.querySelector('input');
  range.value = (100 * (event.clientX - box.left)) / box.width;
  range.focus({ preventScroll: true, focusVisible: false });
  draw(range);
};

element.addEventListener('pointerdown', follow);
element.addEventListener('pointermove', follow);
element.addEventListener('input', (event) => { if (event.target.closest('.curtain')) draw(event.target); });
watch('value', () => element.querySelectorAll('.curtain input').forEach(draw));
