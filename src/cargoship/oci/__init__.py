"""An image library: digests, manifests, layers, layouts. It knows neither Cargo nor the network."""
