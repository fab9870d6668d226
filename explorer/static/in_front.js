// The tab that comes to the front; the first one does so before the URL has been read, and is not told then.
(front) => front && '$tab'
