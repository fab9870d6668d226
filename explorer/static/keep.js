// Keeps what is shown under its number. Where the controls have changed meanwhile and the page has shown the answer to
// these before, that one is shown again.
(shown, ...rest) => {
  const { memory } = window.whereDidItLook;
  const [values, outputs] = [rest.slice(0, -Number('$outputs')), rest.slice(-Number('$outputs'))];
  memory.keep(shown, outputs);
  const number = memory.number('$tab', values);
  return number !== shown && memory.recall(number) ? [number, ...memory.recall(number)] : [shown, ...outputs];
}
