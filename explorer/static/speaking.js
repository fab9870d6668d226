// Who is asked, once another model is chosen, which may have no answer; and that the page begins with another.
(model) => {
  const chip = document.querySelector('.speaking');
  const name = model || chip.dataset.first; // nothing is chosen while a name is being typed
  const first = name === chip.dataset.first;
  chip.querySelector('summary').textContent = `${name} is ${first ? 'speaking' : 'asked'}`;
  chip.querySelector('.first').hidden = !first;
  chip.querySelector('.chosen').hidden = first;
}
