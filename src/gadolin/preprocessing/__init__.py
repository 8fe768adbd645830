"""From a slice to the network's input: the head crop, intensities, outlines, the cache of prepared slices."""
