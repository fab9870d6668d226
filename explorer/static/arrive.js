// The URL's query, and the selected tab: none until the query has been applied. A URL without a query is not sent.
() => {
  const hasQuery = [...new URLSearchParams(location.search).keys()].some((key) => !key.startsWith('__'));
  return hasQuery ? [location.search, ''] : ['', '$tab'];
}
