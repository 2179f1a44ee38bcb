"""What a scan's voxels say, and where: regions, repeats, sessions, noise ceiling, maps."""
