// Moves the divider between two photos with the range's keys or any pointer; its position survives a new result.
const draw = (range) => range.closest('figure').style.setProperty('--cut', range.value + '%');

const follow = (event) => { // not left to the browser: some touch screens move a range only by its thumb
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
