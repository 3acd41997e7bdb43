"""Offline RL for sequence generation: policies, and the algorithms that improve them from stored trajectories."""

from agents.agent import AGENTS, Agent, AgentConfig, agent_class, make_agent
from agents.bc import BC, BCLoss
from agents.filtered_bc import FilteredBC
from agents.marian import PolicyConfig
from agents.policy import Seq2SeqPolicy
from agents.training import HistoryRow, ImproveReport, fit
from agents.training_config import TrainingConfig

__all__ = [
    "AGENTS",
    "BC",
    "Agent",
    "AgentConfig",
    "BCLoss",
    "FilteredBC",
    "HistoryRow",
    "ImproveReport",
    "PolicyConfig",
    "Seq2SeqPolicy",
    "TrainingConfig",
    "agent_class",
    "fit",
    "make_agent",
]
