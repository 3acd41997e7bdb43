"""Names of the agents, known without importing any of them."""

from __future__ import annotations

AGENTS = {
    "bc": "agents.bc:BC",
    "filtered-bc": "agents.filtered_bc:FilteredBC",
    "bvmpo": "agents.bvmpo:BVMPO",
    "gold": "agents.gold:GOLD",
    "oac": "agents.oac:OAC",
    "awr": "agents.awr:AWR",
    "iql": "agents.iql:IQL",
    "dpo": "agents.dpo:DPO",
    "cpo": "agents.cpo:CPO",
    "ipo": "agents.ipo:IPO",
    "kto": "agents.kto:KTO",
    "slic": "agents.slic:SLiC",
    "rwr": "agents.rwr:RWR",
    "boltzmann": "agents.boltzmann:Boltzmann",
    "mrt": "agents.mrt:MRT",
    "iw-sft": "agents.iw_sft:IWSFT",
    "ilql": "agents.ilql:ILQL",
    "q-bve": "agents.q_bve:QBVE",
    "reward-conditioned": "agents.reward_conditioned:RewardConditioned",
    "ppo": "agents.ppo:PPO",
    "rloo": "agents.rloo:RLOO",
    "grpo": "agents.grpo:GRPO",
    "mad": "agents.mad:MAD",
    "d3rlpy-bc": "agents.d3rlpy_adapter.algorithms:D3rlpyBC",
    "d3rlpy-cql": "agents.d3rlpy_adapter.algorithms:D3rlpyCQL",
    "d3rlpy-bcq": "agents.d3rlpy_adapter.algorithms:D3rlpyBCQ",
}
"""Name to ``module:class``; a class is imported when it is asked for."""

ONLINE = ("ppo", "rloo", "grpo", "mad")
"""Names of those that learn from samples of the policy as it is, and not from a stored batch."""
