// A number of the audit that is a button sends which photos it counts.
element.addEventListener('click', (event) => {
  const count = event.target.closest('button.count');
  if (count) trigger('select', { ...count.dataset });
});
