"""Preparation of slices for the network: head crop, intensity scaling, outlines, and the cache."""
