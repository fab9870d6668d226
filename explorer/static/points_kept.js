// Points that a link named were meant for its photo; those that were clicked name theirs, and are kept for its return.
(points) => points?.includes('@') ? points : ''
