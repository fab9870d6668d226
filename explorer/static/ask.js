// A button in the answer that asks another model, or by another method.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-model], button[data-method]');
  if (button) trigger('select', { ...button.dataset });
});
