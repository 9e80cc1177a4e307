"""Accuracy, calibration and comparison of score files and ensembles."""
