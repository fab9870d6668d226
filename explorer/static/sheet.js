// A sheet of photos over the page: another filter asks again; Close, Escape or a link put it away.
let asked = ''; // the filter that was changed last: it has the focus again in the new sheet
element.addEventListener('change', (event) => {
  const form = event.target.closest('form');
  asked = event.target.name;
  if (form) trigger('select', Object.fromEntries(new FormData(form)));
});
const sheet = element.closest('.block.sheet');
const close = () => sheet.classList.remove('open');
element.addEventListener('click', (event) => { if (event.target.closest('[data-close], a')) close(); });
element.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
element.addEventListener('submit', (event) => event.preventDefault());
watch('value', () => {
  if (!sheet.classList.contains('open')) asked = '';
  sheet.classList.toggle('open', Boolean(element.querySelector('.chosen')));
  element.querySelector(asked ? `[name="${asked}"]` : '[data-close]')?.focus();
});
