"""Which members an ensemble or a cascade should take."""
