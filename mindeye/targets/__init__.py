"""Frozen image networks: CLIP tokens, VAE latents and their cache, feature maps."""
