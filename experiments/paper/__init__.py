"""The paper's claims: the runs that each needs, what is read of them, and the verdict."""
