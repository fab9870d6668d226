// What the URL asks for, and the tab in front: none until that has been answered. A URL that asks for nothing is not sent.
() => {
  const asked = [...new URLSearchParams(location.search).keys()].some((key) => !key.startsWith('__'));
  return asked ? [location.search, ''] : ['', '$tab'];
}
