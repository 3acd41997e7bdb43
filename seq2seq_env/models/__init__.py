"""Functions of encoder-decoders that scorers and policies share."""
