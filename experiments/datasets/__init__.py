"""Frozen data sets: named, versioned batches of the phrasebook's regimes, made from shipped behaviour policies."""
