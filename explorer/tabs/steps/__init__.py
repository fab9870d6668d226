"""The tab Step by step: one Grad-CAM heatmap taken apart, from activations to pixels."""
