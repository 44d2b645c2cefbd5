"""Deep networks of neurons that spike once, in torch."""
