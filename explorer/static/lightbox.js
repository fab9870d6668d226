// Enlarges a cell of the grid: click or Enter opens it, Escape or a click closes it; Save downloads the image, Step by
// step opens that tab for the cell.
element.addEventListener('click', (event) => {
  const cell = event.target.closest('button.cell');
  if (!cell) return;
  const picture = cell.querySelector('img');
  const dialog = document.createElement('dialog');
  dialog.className = 'lightbox';
  dialog.setAttribute('aria-label', cell.dataset.caption);
  const image = Object.assign(new Image(), { src: picture.src, alt: picture.alt });
  const caption = Object.assign(document.createElement('p'), { textContent: cell.dataset.caption });
  const save = Object.assign(document.createElement('a'), { href: picture.src, download: cell.dataset.name + '.jpg', textContent: 'Save' });
  const close = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Close', autofocus: true });
  const bar = document.createElement('div');
  bar.append(caption, save, close);
  if (cell.dataset.target && cell.dataset.column !== 'all layers') {
    const steps = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Step by step' });
    steps.addEventListener('click', () => { dialog.close(); trigger('select', { explained: cell.dataset.target, column: cell.dataset.column }); });
    save.before(steps);
  }
  dialog.append(image, bar);
  dialog.addEventListener('click', (e) => { if (e.target === dialog || e.target === close || e.target === image) dialog.close(); });
  dialog.addEventListener('close', () => { dialog.remove(); cell.focus(); });
  document.body.append(dialog);
  dialog.showModal();
});
