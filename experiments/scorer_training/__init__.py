"""How scorers are trained and tested."""
