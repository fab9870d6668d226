// Writes a view's query into the address bar; inside a Space's frame, into that of the page around it.
(query) => {
  history.replaceState(null, '', query || location.pathname);
  if (window.parent !== window) window.parent.postMessage({ queryString: query.replace(/^\?/, '') }, 'https://huggingface.co');
}
