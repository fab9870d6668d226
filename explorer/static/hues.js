// The hue wheel: the region is repainted here while the slider moves, by the server's formula; what the model says at
// each hue came in one answer. Once the wheel is in view it asks for that, and where it rests for the heat there.
const REST = 500; // ms without a move
let key = null; // the region of the photo that is shown
let source = null; // its pixels, ready to be repainted: see read
let asked = null; // what was asked for already
let resting = null; // a timer
let later = null; // a hue whose heat is asked for once the answers are there

const section = () => element.querySelector('.hues');
const slider = () => element.querySelector('input[type=range]');
const step = () => Number(slider().value) / 10;

const toLinear = Float64Array.from({ length: 256 }, (_, level) => {
  const v = level / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
});
const toScreen = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

// The photo before, as the page has it already, and for each of the region's pixels how bright it is and how much of
// the repainted photo shows there.
const read = async () => {
  const { key: wanted, median } = section().dataset;
  const canvas = element.querySelector('canvas');
  const [photo, alpha] = [document.querySelector('#what-if-answer .curtain img'), element.querySelector('img.alpha')];
  await Promise.all([photo.decode(), alpha.decode()]);
  const pixels = [photo, alpha].map((image) => {
    const paper = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
    const context = paper.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  });
  const [{ data }, { data: shows }] = pixels;
  const places = [];
  for (let at = 0; at < data.length; at += 4) {
    if (!shows[at]) continue;
    const light = 0.2126 * toLinear[data[at]] + 0.7152 * toLinear[data[at + 1]] + 0.0722 * toLinear[data[at + 2]];
    places.push([at, light / Number(median), shows[at] / 255]);
  }
  return { key: wanted, photo: pixels[0], places };
};

const paint = () => {
  if (!source || source.key !== section().dataset.key) return;
  const colour = section().dataset.colours.trim().split(' ')[step()];
  const light = [1, 3, 5].map((at) => toLinear[parseInt(colour.slice(at, at + 2), 16)]);
  const picture = new ImageData(new Uint8ClampedArray(source.photo.data), source.photo.width, source.photo.height);
  for (const [at, shading, alpha] of source.places) {
    light.forEach((v, channel) => {
      const before = source.photo.data[at + channel];
      picture.data[at + channel] = Math.round(before + alpha * (255 * toScreen(Math.min(1, shading * v)) - before));
    });
  }
  element.querySelector('canvas').getContext('2d').putImageData(picture, 0, 0);
};

const say = () => {
  const name = section().dataset.names.split(',')[step()];
  slider().setAttribute('aria-valuetext', `${slider().value}°, ${name}`);
  element.querySelector('.degrees').textContent = `${slider().value}° (${name})`;
  if (!section().dataset.answers) return;
  const [said, rows] = JSON.parse(section().dataset.answers)[step()];
  element.querySelector('.now strong').textContent = said;
  element.querySelectorAll('table td').forEach((cell, row) => {
    [cell.querySelector('span').textContent, cell.querySelector('small').textContent] = rows[row];
    cell.classList.toggle('said', said.startsWith(cell.parentElement.querySelector('th').textContent + ','));
  });
  const here = element.querySelector('line.here');
  ['x1', 'x2'].forEach((end) => here.setAttribute(end, step() + 0.5));
};

const show = () => { paint(); say(); };

const ask = (wanted) => {
  if (!section() || asked === `${key} ${wanted}`) return;
  asked = `${key} ${wanted}`;
  trigger('select', { wanted });
};

const askAll = () => { if (section() && section().dataset.said === 'no') ask('all'); };
const view = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) askAll(); });

const open = async () => {
  view.disconnect();
  if (!section()) { key = null; return; }
  const same = section().dataset.key === key;
  key = section().dataset.key;
  const rested = document.querySelector('#hue :is(input, textarea)')?.value; // a link's, or the visitor's own
  if (!same && rested) { slider().value = rested; }
  if (!same) asked = null;
  view.observe(section()); // and says at once whether it is in view
  say();
  if (source?.key !== key) source = await read();
  if (section()) show();
  if (!same && rested && section()?.dataset.said === 'yes') ask(rested);
  else if (!same && rested) later = rested;
  else if (later && section()?.dataset.said === 'yes') { ask(later); later = null; }
};

element.addEventListener('input', (event) => {
  if (event.target !== slider()) return;
  show();
  clearTimeout(resting);
  resting = setTimeout(() => { if (section()) { asked = null; ask(slider().value); } }, REST);
});
watch('value', open);
open();
