"""Answers that come with the app: computed beforehand for its own photos and weights, by `python -m explorer.ship`."""
