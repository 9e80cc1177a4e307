"""What score files and ensembles are worth."""
