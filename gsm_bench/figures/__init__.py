"""Figures of results, plotted with matplotlib (extra ``figures``)."""
