"""The tab Trust: can a heatmap be believed? Methods against random maps, sanity check, costs, training seeds."""
