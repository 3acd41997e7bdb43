"""What networks of scorers and of policies have in common."""
