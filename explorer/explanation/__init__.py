"""Explaining one photo with one classifier and one method: the service that caches results, the grid, the device."""
