// Writes a view's query into the address bar; in a Space's iframe, into the parent page's. Until a tab is selected, the
// address bar keeps the query of the link.
(query, front) => {
  if (!front) return;
  query = query || '';
  history.replaceState(null, '', query || location.pathname);
  if (window.parent !== window) window.parent.postMessage({ queryString: query.replace(/^\?/, '') }, 'https://huggingface.co');
}
