"""One file for each check; each holds ``check(subject)``, which returns what it found."""

__all__: list[str] = []
