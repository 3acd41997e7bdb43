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
    "d3rlpy-bc": "agents.d3rlpy_adapter.algorithms:D3rlpyBC",
    "d3rlpy-cql": "agents.d3rlpy_adapter.algorithms:D3rlpyCQL",
    "d3rlpy-bcq": "agents.d3rlpy_adapter.algorithms:D3rlpyBCQ",
}
"""Name to ``module:class``; a class is imported when it is asked for."""
