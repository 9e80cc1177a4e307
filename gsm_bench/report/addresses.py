"""Addresses of views in a report: ``#clips?right=En3&wrong=inv3_8f``, as the page's own scripts write them."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def view_address(section: str, **parameters: str | int | None) -> str:
    """The address of a view; parameters that are None are left out, and a trailing ``_`` of a name (``class_``) is dropped."""
    given = [(name.rstrip("_"), value) for name, value in parameters.items() if value is not None]
    query = urlencode(given, quote_via=quote, safe="/,@")
    return f"#{section}{f'?{query}' if query else ''}"
