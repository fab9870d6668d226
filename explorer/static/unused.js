// Names the controls that the tab in front does not read; the style sheet hides them.
(front) => { if (front === '$tab') document.querySelector('#controls').dataset.unused = '$names'; }
