"""What a cut network must compute: the original with what is cut set to zero."""

import numpy as np
import torch


def randomised(network):
    """Norms, slopes and biases that are not at their initial values, in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            low = 0.5 if name.endswith(("weight", "running_var")) else -0.3
            tensor.uniform_(low, low + 0.6, generator=generator)
    return network.eval()


def masked(network, groups, keep, image):
    """The original's output with what is not kept zeroed after every layer, norm and slope."""
    zero = {}
    for name, units in keep.items():
        for (tensor, axis), indices in groups[name].axes.items():
            if axis == 0:
                gone = np.delete(indices, units, 0).reshape(-1)
                zero.setdefault(tensor.rpartition(".")[0], set()).update(gone.tolist())

    def silence(layer, inputs, output, channels):
        output = output.clone()
        output[:, sorted(channels)] = 0
        return output

    hooks = [
        network.get_submodule(name).register_forward_hook(lambda *a, c=channels: silence(*a, c))
        for name, channels in zero.items()
    ]
    try:
        with torch.no_grad():
            return network(image)
    finally:
        for hook in hooks:
            hook.remove()
