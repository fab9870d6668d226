// The numbers behind a cell of the grid: shades of a grey picture, 0…255, in which its evidence was sent.
const pixels = new WeakMap(); // an image of shades → its pixels

const shadesOf = (image) => {
  if (!pixels.has(image)) {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    pixels.set(image, context.getImageData(0, 0, canvas.width, canvas.height));
  }
  return pixels.get(image);
};

// The evidence at a point of the photo (parts of its width and height): null where the network saw nothing, and where
// a map has no unit. A shade is rounded down, so that the middle of its range is nearest to the evidence.
const evidenceAt = (cell, x, y) => {
  const image = cell.querySelector('img.heat');
  const { scale, hottest } = cell.closest('table').dataset;
  const style = getComputedStyle(image.parentElement);
  const part = (name) => parseFloat(style.getPropertyValue(`--${name}`)) / 100;
  const [across, down] = [(x - part('left')) / part('width'), (y - part('top')) / part('height')];
  if (Math.min(across, down) < 0 || Math.max(across, down) >= 1 || !('peak' in cell.dataset)) return null;
  if (image.classList.contains('none')) return 0;
  const { width, height, data } = shadesOf(image);
  const shade = data[4 * (Math.floor(down * height) * width + Math.floor(across * width))];
  const level = shade === 0 ? 0 : Math.min(1, (shade + 0.5) / 255.5);
  const top = Number(scale === 'each map' ? cell.dataset.peak : hottest);
  return top * (scale === 'square root' ? level * level : level);
};

const inWords = (value) => {
  const digits = value < 100 ? value.toPrecision(2) : String(Number(value.toPrecision(2))); // 380, not 3.8e+2
  return value === 0 ? 'none here' : `${digits} here`.replace('-', '\u2011');
};
