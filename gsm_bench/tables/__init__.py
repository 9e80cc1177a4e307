"""Results as tables of raw numbers; `render` turns these into text."""
