// Writes a view's query into the address bar; inside a Space's frame, into that of the page around it. Before a tab is in front, the bar still asks.
(query, front) => {
  if (!front) return;
  query = query || '';
  history.replaceState(null, '', query || location.pathname);
  if (window.parent !== window) window.parent.postMessage({ queryString: query.replace(/^\?/, '') }, 'https://huggingface.co');
}
