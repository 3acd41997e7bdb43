"""Functions of encoder-decoders and decoder-only models that scorers and policies share."""
