// Copies the link to this view and says so; where the browser forbids that (no https, an iframe), shows it for manual
// copying. In a Space's iframe the link is that of the Space's page.
async () => {
  const space = '$space';
  const framed = space && window.parent !== window;
  const link_ = framed ? `https://huggingface.co/spaces/$${space}$${location.search}` : location.href;
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
    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
    const dialog = make('dialog', { className: 'lightbox' });
    const name = make('label', { textContent: 'This browser does not let the page copy; here is the link: ' });
    const link = make('input', { readOnly: true, value: link_ });
    const close = make('button', { type: 'button', textContent: 'Close' });
    const bar = make('div', {});
    const note = make('p', { textContent: own ? 'Your own photo is not in the link.' : '' });
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
