// Clicks on the photo, each a point from which the region grows on the server; it sends back the pad with its outline.
// By mouse, by finger, and by a cross that arrow keys move. Beside brush.js, whose names it uses.
{
  let takes = false; // whether a click removes
  let cross = null; // position of the keyboard's cross
  let of = null; // the photo it is on

  const clicking = () => canvas()?.dataset.mode === 'click';
  const points = () => canvas().dataset.points.trim().split(' ').filter(Boolean);
  const put = (list) => {
    const { photo, mode } = canvas().dataset;
    canvas().dataset.points = list.join(' '); // so that a second click before the answer is not lost
    trigger('select', { photo, mode, points: list.join(' ') });
  };
  const add = ([x, y], minus) => {
    const { width, height } = canvas();
    const inside = [[x, width], [y, height]].map(([v, size]) => Math.min(Math.max(Math.floor(v), 0), size - 1));
    put([...points(), (minus ? '-' : '') + inside.join(',')]);
  };

  element.addEventListener('click', (event) => {
    if (!clicking()) return;
    if (event.target === canvas()) add(position(event), takes !== event.shiftKey);
    const tool = event.target.closest('button[data-do]');
    if (!tool) return;
    if (tool.dataset.do === 'takes') tool.setAttribute('aria-pressed', String(takes = !takes));
    else if (points().length) put(tool.dataset.do === 'undo' ? points().slice(0, -1) : []);
  });

  element.addEventListener('keydown', (event) => {
    const paper = canvas();
    if (!clicking() || event.target !== paper) return;
    if (!(event.key in STEPS || ['Enter', ' ', '-', '−'].includes(event.key))) return;
    event.preventDefault();
    if (of !== paper.dataset.photo) [of, cross] = [paper.dataset.photo, null];
    cross ??= [paper.width / 2, paper.height / 2];
    if (event.key in STEPS) {
      const by = event.shiftKey ? 1 : 6;
      const limits = [paper.width - 1, paper.height - 1];
      cross = cross.map((v, axis) => Math.min(Math.max(v + STEPS[event.key][axis] * by, 0), limits[axis]));
    } else if (!event.repeat) add(cross, takes !== (event.shiftKey || event.key === '-' || event.key === '−'));
    showTip(cross, 16);
  });

  watch('value', () => {
    const tool = element.querySelector('[data-do=takes]');
    if (tool) tool.setAttribute('aria-pressed', String(takes)); // a new pad arrives with it off
  });
}
