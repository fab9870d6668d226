// The sheet of an audit's photos: another filter asks again; Close, Escape or a link put it away.
element.addEventListener('change', (event) => {
  const form = event.target.closest('form');
  if (form) trigger('select', Object.fromEntries(new FormData(form)));
});
const close = () => element.classList.remove('open');
element.addEventListener('click', (event) => { if (event.target.closest('[data-close], a')) close(); });
element.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
element.addEventListener('submit', (event) => event.preventDefault());
watch('value', () => {
  const asked = element.classList.contains('open') && document.activeElement?.name;
  element.classList.toggle('open', Boolean(element.querySelector('.chosen')));
  element.querySelector(asked ? `[name="${asked}"]` : '[data-close]')?.focus();
});
