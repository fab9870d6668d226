"""The CAM family: each method is one short function from (activation, gradient) to the weights of the activation maps.

activation [B, C, h, w], gradient [K, B, C, h, w] → weights that broadcast to [K, B, C, h, w].
The map is ReLU(Σ_C weights · activation); everything around that sum is the same for every method.
"""


def grad_cam(activation, gradient):
    """Grad-CAM, Selvaraju et al. 2017 (arXiv:1610.02391), eq. 1: α_k is the gradient averaged over the map's area."""
    return gradient.mean((-2, -1), keepdim=True)  # [K, B, C, 1, 1]


METHODS = {"Grad-CAM": grad_cam}
