"""Where the data come from: the synthetic Earth, towers, published data, the original products and their harmonising."""
