"""The Markov decision process of translation: definition, sources, spaces and texts."""
