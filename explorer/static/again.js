// A button beside an answer that was computed beforehand: compute it here.
element.addEventListener('click', (event) => {
  if (event.target.closest('button[data-again]')) trigger('select', { again: true });
});
