"""Networks: construction, pretrained weights, layer tables."""
