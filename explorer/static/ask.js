// A button in the answer that asks another model, or by another method.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-model], button[data-method]');
  if (button) trigger('select', { ...button.dataset });
});
// A photo that the browser cannot show, such as a TIFF, is shown in its box as the network saw it.
watch('value', () => {
  const blank = document.querySelector('#photo img.refused');
  const seen = element.querySelector('.verdict figure img');
  if (blank && seen) blank.src = seen.src;
});
