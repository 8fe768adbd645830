"""The service: predictions and explanations over HTTP, and the page that shows them. No torch."""

from __future__ import annotations

__all__: list[str] = []
