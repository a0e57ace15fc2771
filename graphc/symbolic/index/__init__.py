"""Index notation: what one element of a tensor is, as sums over other tensors' elements at affine indices."""
