"""The tab Explain: the prediction, and a heatmap for every class at every layer."""
