// The guided story: each beat has the server set photo, model and tab of the live page, and says what to look at.
// By button or key: arrows go back and on, Escape ends it. A link with ?story begins it.
const RIGHT = 'Rudo'; // what the network says of the repainted pot
let at = -1;
let answer = '';

const panel = element.querySelector('.panel');
const begin = element.querySelector('.begin');
const beats = [...element.querySelectorAll('.beat')];
const button = (name) => element.querySelector(`[data-do=${name}]`);

const show = (next) => {
  at = Math.min(next, beats.length - 1);
  panel.hidden = at < 0;
  beats.forEach((beat, index) => { beat.hidden = index !== at; });
  if (at < 0) { begin.focus(); return; }
  element.querySelector('.count').textContent = `${at + 1} of ${beats.length}`;
  button('back').disabled = at === 0;
  button('next').hidden = at === beats.length - 1;
  const guessed = beats[at].previousElementSibling?.querySelector('.guesses') && answer;
  const words = answer === RIGHT ? '– you guessed it.' : `– you guessed ${answer}.`;
  beats[at].querySelector('.guessed').textContent = guessed ? words : '';
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
  const there = beats[at].dataset.at; // another tab has to open first
  const scroll = () => document.querySelector(there)?.scrollIntoView({ block: 'start', behavior });
  setTimeout(scroll, there === '#tabs' ? 0 : 600);
  panel.focus({ preventScroll: true });
  trigger('select', { beat: at });
};

const go = { back: () => show(at - 1), next: () => show(at + 1), end: () => show(-1) };

begin.addEventListener('click', () => { answer = ''; show(0); });
panel.addEventListener('click', (event) => {
  const pressed = event.target.closest('button');
  if (!pressed) return;
  if (pressed.dataset.guess) { answer = pressed.dataset.guess; show(at + 1); } else go[pressed.dataset.do]();
});
panel.addEventListener('keydown', (event) => {
  const step = { ArrowLeft: 'back', ArrowRight: 'next', Escape: 'end' }[event.key];
  if (!step || (step !== 'end' && button(step).disabled) || (step === 'next' && at === beats.length - 1)) return;
  event.preventDefault();
  go[step]();
});

if (new URLSearchParams(location.search).has('story')) { // once the page has its first answer
  const wait = setInterval(() => {
    if (!document.querySelector('#verdict .verdict')) return;
    clearInterval(wait);
    show(0);
  }, 200);
}
