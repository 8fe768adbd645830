"""Measurements of Gadolin, by group; ``python -m benchmarks`` lists them, ``run NAME`` runs one."""
