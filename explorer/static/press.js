// Tells the server which button of a component was pressed, by its number.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('select', { index: Number(button.dataset.index) });
});
