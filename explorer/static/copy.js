// Copies the link to this view; where the browser forbids that (no https, an iframe), shows it for manual copying.
async () => {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    const focused = document.activeElement;
    const dialog = Object.assign(document.createElement('dialog'), { className: 'lightbox' });
    const name = Object.assign(document.createElement('label'), { textContent: 'This browser does not let the page copy; here is the link: ' });
    const link = Object.assign(document.createElement('input'), { readOnly: true, value: location.href });
    const close = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Close' });
    const bar = document.createElement('div');
    name.append(link);
    bar.append(close);
    dialog.append(name, bar);
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => { dialog.remove(); focused?.focus(); });
    document.body.append(dialog);
    dialog.showModal();
    link.focus();
    link.select();
  }
}
