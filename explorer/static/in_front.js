// The tab that was selected; not reported for the first one, which is selected before the URL has been read.
(front) => front && '$tab'
