// A button in the answer that asks another model.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-model]');
  if (button) trigger('select', { model: button.dataset.model });
});
