// Sends the index of the pressed button of a component.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('select', { index: Number(button.dataset.index) });
});
