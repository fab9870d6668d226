// The answer to these values where the page has shown it before; otherwise it is asked for, by another `asked`.
(asked, ...values) => {
  const { memory } = window.whereDidItLook;
  const [number, same] = [memory.number('$tab', values), { __type__: 'update' }];
  const outputs = memory.recall(number);
  if (outputs) return [same, number, ...outputs];
  return [String(Number(asked) + 1), same, ...Array(Number('$outputs')).fill(same)];
}
