"""Anatomy to meshes: levels, skeleton, veins, network, flow mesh. Knows nothing of agents."""
