// The answers that this page has shown, so that they are shown again without a request: each has the number of the
// values of the controls that it was asked with, and is what the outputs of a tab were.
() => {
  const MOST = 24; // answers, of 100 to 200 kB each
  const [numbers, answers] = [new Map(), new Map()];
  const name = (key, value) => value?.path ?? value; // a photo is its path; its other properties may vary
  (window.whereDidItLook ??= {}).memory = {
    number(tab, values) {
      const asked = JSON.stringify([tab, values], name);
      if (!numbers.has(asked)) numbers.set(asked, String(numbers.size));
      return numbers.get(asked);
    },
    recall: (number) => answers.get(number),
    keep(number, outputs) {
      if (outputs.some((html) => html?.includes('role="alert"'))) return; // a refusal may have passed when asked again
      answers.delete(number); // the oldest is the first
      answers.set(number, outputs);
      if (answers.size > MOST) answers.delete(answers.keys().next().value);
    },
  };
}
