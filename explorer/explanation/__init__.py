"""One photo explained by one classifier with one method: the value, the service that makes and keeps it, its grid of cells, the device."""
