"""Other people's score dumps: read safely, recognised from content, settled as score files."""
