// Who speaks, once another model is chosen: by its name, and that the page began with another.
(model) => {
  const chip = document.querySelector('.speaking');
  const name = model || chip.dataset.first; // nothing is chosen while a name is being typed
  const first = name === chip.dataset.first;
  chip.querySelector('.who').textContent = name;
  chip.querySelector('.first').hidden = !first;
  chip.querySelector('.chosen').hidden = first;
}
