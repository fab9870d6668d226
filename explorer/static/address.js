// Writes a view's query into the address bar; in a Space's iframe, into the parent page's. Until a tab is selected, the
// address bar keeps the query of the link. Another photo, model or tab is an entry of the history, so that Back returns
// to it; other settings change the entry there is.
(query, front) => {
  if (!front) return;
  query = query || '';
  const state = window.whereDidItLook ??= {};
  if (state.returning !== undefined) { // Back or Forward: the controls follow one after the other
    if (query !== state.returning) return;
    delete state.returning;
  }
  const step = (text) => ['example', 'model', 'tab'].map((name) => new URLSearchParams(text).get(name)).join('\n');
  const further = state.written && step(query) !== step(location.search);
  if (query !== location.search) history[further ? 'pushState' : 'replaceState'](null, '', query || location.pathname);
  state.written = true;
  if (window.parent !== window) {
    window.parent.postMessage({ queryString: query.replace(/^\?/, '') }, 'https://huggingface.co');
  }
}
