"""Off-policy evaluation: what stored trajectories say of a policy that did not write them."""
