"""The tab Trust: is the heatmap true? Methods against chance, the sanity check, costs, training seeds."""
