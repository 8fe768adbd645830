"""Explanation methods: one file each."""
