"""Sampling engines, and strategies that choose one translation."""
