"""Scorers made of other scorers: cached, calibrated, ensembles, cross-fitted."""
