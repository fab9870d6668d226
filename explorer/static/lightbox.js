// A picture or cell as large as the window: click or Enter opens it, Escape or Close ends it. Arrow keys and buttons go
// on to the component's other cells. A cell of the grid has the photo beside it, and its heat can be faded. Save
// downloads it with its caption and colours.
const SAVED = 1024; // pixels: the longer side of a saved picture
const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const save = async (cell, strength) => {
  const picture = await pictureOf(cell, strength);
  const scale = SAVED / Math.max(picture.width, picture.height);
  const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  const canvas = make('canvas', { width, height: height + 96 });
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, width, height);
  drawOutline(context, cell, width, height);
  context.fillStyle = '#000';
  context.font = '28px system-ui, sans-serif';
  context.fillText(cell.dataset.caption, 16, height + 38, width - 32);
  const colours = element.querySelector('.ramp')?.style.background.match(/rgb\([^)]*\)/g) ?? [];
  if (colours.length) {
    const ramp = context.createLinearGradient(16, 0, width - 16, 0);
    colours.forEach((colour, index) => ramp.addColorStop(index / (colours.length - 1), colour));
    context.fillStyle = ramp;
    context.fillRect(16, height + 56, width - 32, 24);
  }
  make('a', { href: canvas.toDataURL('image/png'), download: `${cell.dataset.name}.png` }).click();
};

const loaded = (source) => new Promise((resolve) => {
  const image = new Image();
  image.onload = () => resolve(image);
  image.src = source;
});

// The lines over a cell, in thousandths of its sides, with the widths and colours that the style sheet gives them.
const drawOutline = (context, cell, width, height) => {
  for (const path of cell.querySelectorAll('.outline path')) {
    const style = getComputedStyle(path);
    const placed = new Path2D();
    placed.addPath(new Path2D(path.getAttribute('d')), new DOMMatrix().scale(width / 1000, height / 1000));
    context.strokeStyle = style.stroke;
    context.lineWidth = 2 * parseFloat(style.strokeWidth);
    const dashes = style.strokeDasharray === 'none' ? [] : style.strokeDasharray.split(/[ ,]+/);
    context.setLineDash(dashes.map((length) => 2 * parseFloat(length)));
    context.stroke(placed);
  }
  context.setLineDash([]);
};

// A cell of the grid with its heat in colours, or any other picture as it is.
const pictureOf = async (cell, strength) => {
  const heat = cell.querySelector('img.heat');
  if (!heat) return loaded(cell.querySelector('img').src);
  const style = getComputedStyle(heat.parentElement);
  const ground = await loaded(style.getPropertyValue('--ground').match(/url\("?([^")]*)"?\)/)[1]);
  const canvas = make('canvas', { width: ground.naturalWidth, height: ground.naturalHeight });
  const context = canvas.getContext('2d');
  context.drawImage(ground, 0, 0);
  if (heat.classList.contains('none')) return canvas;
  const { width, height, data } = shadesOf(heat);
  const colours = [...document.querySelectorAll('#heat-colours feComponentTransfer > *')]
    .map((channel) => channel.getAttribute('tableValues').trim().split(/\s+/).map((value) => Math.round(255 * value)));
  const coloured = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    colours.forEach((table, channel) => { coloured.data[at + channel] = table[data[at]]; });
    coloured.data[at + 3] = 255;
  }
  const layer = make('canvas', { width, height });
  layer.getContext('2d').putImageData(coloured, 0, 0);
  const part = (name) => parseFloat(style.getPropertyValue(`--${name}`)) / 100;
  context.globalAlpha = strength ?? Number(style.getPropertyValue('--opacity'));
  const across = ['left', 'width'].map((name) => part(name) * canvas.width);
  const down = ['top', 'height'].map((name) => part(name) * canvas.height);
  context.drawImage(layer, across[0], down[0], across[1], down[1]);
  return canvas;
};

const open = (first) => {
  const cells = [...element.querySelectorAll('button.cell')];
  const across = first.closest('table.matrix') ? first.closest('tr').querySelectorAll('button.cell').length : 1;
  let cell = first;
  const view = make('figure', { className: 'view' });
  const caption = make('p', {});
  const strength = make('input', { type: 'range', min: 0, max: 1, step: 0.05 });
  const fade = make('label', { className: 'fade' }, 'Heat ', strength);
  const steps = make('button', { type: 'button', textContent: 'Step by step' });
  const close = make('button', { type: 'button', textContent: 'Close', autofocus: true });
  const kept = make('button', { type: 'button', textContent: 'Save', className: 'save' });
  const back = make('button', { type: 'button', textContent: '←', ariaLabel: 'Previous' });
  const on = make('button', { type: 'button', textContent: '→', ariaLabel: 'Next' });
  const ramp = element.querySelector('.colour-bar .ramp');
  const bar = make('div', {}, back, on, caption, fade, steps, kept, close);
  const dialog = make('dialog', { className: 'lightbox' }, view, ...(ramp ? [ramp.cloneNode(true)] : []), bar);

  const show = (next) => {
    cell = next;
    const stage = cell.querySelector('.stage'); // of a cell in shades
    const shown = (stage ?? cell.querySelector('img')).cloneNode(true);
    shown.style.cssText = stage ? getGround(stage) : '';
    const photo = stage && document.querySelector('#verdict .verdict figure img');
    view.replaceChildren(shown);
    if (photo) view.append(make('img', { className: 'beside', src: photo.src, alt: photo.alt }));
    shown.addEventListener('click', () => dialog.close());
    caption.textContent = cell.dataset.caption;
    dialog.setAttribute('aria-label', cell.dataset.caption);
    fade.hidden = !stage;
    if (stage) {
      strength.value = getComputedStyle(stage).getPropertyValue('--opacity');
      strength.oninput = () => shown.style.setProperty('--opacity', strength.value);
    }
    steps.hidden = !cell.dataset.target || cell.dataset.column === 'all layers';
    const at = cells.indexOf(cell);
    [back.disabled, on.disabled] = [at === 0, at === cells.length - 1];
  };
  const go = (by) => { const next = cells[cells.indexOf(cell) + by]; if (next) show(next); };

  back.addEventListener('click', () => go(-1));
  on.addEventListener('click', () => go(1));
  kept.addEventListener('click', () => save(cell, fade.hidden ? undefined : Number(strength.value)));
  steps.addEventListener('click', () => {
    dialog.close();
    trigger('select', { explained: cell.dataset.target, column: cell.dataset.column });
  });
  dialog.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (!by || event.target === strength) return;
    event.preventDefault();
    go(by);
  });
  dialog.addEventListener('click', (event) => { if ([dialog, close].includes(event.target)) dialog.close(); });
  dialog.addEventListener('close', () => { dialog.remove(); cell.focus(); });
  show(first);
  // not in the body: Gradio puts the name of its container before every selector within a media query
  (element.closest('.contain') ?? document.body).append(dialog);
  dialog.showModal();
};

// A table's shared numbers, for a copy of a cell that stands outside it.
const getGround = (stage) => ['aspect', 'left', 'top', 'width', 'height', 'opacity', 'ground']
  .map((name) => `--${name}:${getComputedStyle(stage).getPropertyValue(`--${name}`)}`).join(';');

element.addEventListener('click', (event) => {
  const cell = event.target.closest('button.cell');
  if (cell) open(cell);
});
