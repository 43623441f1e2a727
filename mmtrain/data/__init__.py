"""From canonical samples to the tensors that a model is trained on: order -> packing -> encode -> collate."""
