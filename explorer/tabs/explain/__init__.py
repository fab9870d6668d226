"""The tab Explain: what the model said, and the grid of where it looked, class by class and layer by layer."""
