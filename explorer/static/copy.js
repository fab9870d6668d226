// Copies the link to this view and says so; where the browser forbids that (no https, an iframe), shows it for manual
// copying. In a Space's iframe the link is that of the Space's page.
async () => {
  const space = '$space';
  const link_ = space && window.parent !== window ? `https://huggingface.co/spaces/$${space}$${location.search}` : location.href;
  const own = ['own', null].includes(new URLSearchParams(location.search).get('example'));
  const words = own
    ? 'Link copied. Your own photo is not in it: whoever opens it sees this view of an example.'
    : 'Link copied.';
  const say = (text) => {
    const line = document.querySelector('#copied');
    line.textContent = text;
    clearTimeout(line.timer);
    line.timer = setTimeout(() => { line.textContent = ''; }, 8000);
  };
  try {
    await navigator.clipboard.writeText(link_);
    say(words);
  } catch {
    const focused = document.activeElement;
    const dialog = Object.assign(document.createElement('dialog'), { className: 'lightbox' });
    const name = Object.assign(document.createElement('label'), { textContent: 'This browser does not let the page copy; here is the link: ' });
    const link = Object.assign(document.createElement('input'), { readOnly: true, value: link_ });
    const close = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Close' });
    const bar = document.createElement('div');
    const note = Object.assign(document.createElement('p'), { textContent: own ? 'Your own photo is not in the link.' : '' });
    name.append(link);
    bar.append(note, close);
    dialog.append(name, bar);
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => { dialog.remove(); focused?.focus(); });
    document.body.append(dialog);
    dialog.showModal();
    link.focus();
    link.select();
  }
}
