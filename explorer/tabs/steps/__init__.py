"""The tab Step by step: one Grad-CAM heatmap, step by step from activations to pixels."""
