"""Scorers that read translation models: predictor and estimator."""
