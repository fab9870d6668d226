// The URL's query, and the selected tab: none until the query has been applied. A URL without a query is not sent.
// Back and Forward hand their query to the same hidden text, numbered, since it may be the same as before.
() => {
  let visits = 0;
  const photo = document.querySelector('#photo'); // a file that is no photo has a sentence, and not a broken picture
  for (const event of ['error', 'load']) {
    photo.addEventListener(event, ({ target }) => target.classList.toggle('refused', event === 'error'), true);
  }
  addEventListener('popstate', () => {
    const query = location.search || '?';
    (window.whereDidItLook ??= {}).returning = location.search;
    setTimeout(() => { delete window.whereDidItLook.returning; }, 5000); // what a link asks for may not be here
    const text = document.querySelector('#url-query :is(input, textarea)');
    text.value = `$${query}#$${++visits}`;
    text.dispatchEvent(new Event('input', { bubbles: true }));
  });
  const hasQuery = [...new URLSearchParams(location.search).keys()].some((key) => !key.startsWith('__'));
  return hasQuery ? [location.search, ''] : ['', '$tab'];
}
