"""Offline RL for sequence generation: policies, and the algorithms that improve them from stored trajectories.

A package of seq2seq-env.
"""

from agents.agent import AGENTS, Agent, AgentConfig, agent_class, check_options, make_agent
from agents.awr import AWR, AWRConfig, AWRLoss
from agents.bc import BC, BCLoss
from agents.bvmpo import BVMPO, BVMPOConfig, BVMPOLoss
from agents.ctranslate2_sampler import ComputeType, CTranslate2Sampler
from agents.decoding import Decoding, Method
from agents.device import known_device
from agents.dpo import DPO, DPOConfig, DPOLoss
from agents.engines import Engine, Shift, make_sampler, shift
from agents.filtered_bc import FilteredBC
from agents.gold import GOLD, GOLDConfig, GOLDLoss
from agents.history import HistoryRow, ImproveReport
from agents.iql import IQL, IQLConfig, IQLLoss
from agents.lora import LoRA, adapted
from agents.loss_agent import LossAgent
from agents.marian import PolicyConfig
from agents.oac import OAC, OACConfig, OACLoss
from agents.policy import Seq2SeqPolicy
from agents.policy_folder import policy_folder
from agents.probing import Probe, probe
from agents.training import Learner, fit
from agents.training_config import TrainingConfig
from agents.translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
from agents.value import BVE, BVELoss, ValueNetwork
from agents.value_agent import ValueAgent, ValueConfig
from agents.value_report import RankCorrelation, ValueReport, rank_correlations

__all__ = [
    "AGENTS",
    "AWR",
    "BC",
    "BVE",
    "BVMPO",
    "DPO",
    "GOLD",
    "IQL",
    "OAC",
    "AWRConfig",
    "AWRLoss",
    "Agent",
    "AgentConfig",
    "BCLoss",
    "BVELoss",
    "BVMPOConfig",
    "BVMPOLoss",
    "CTranslate2Sampler",
    "ComputeType",
    "DPOConfig",
    "DPOLoss",
    "Decoding",
    "Engine",
    "FilteredBC",
    "GOLDConfig",
    "GOLDLoss",
    "HistoryRow",
    "IQLConfig",
    "IQLLoss",
    "ImproveReport",
    "Learner",
    "LoRA",
    "LossAgent",
    "Method",
    "OACConfig",
    "OACLoss",
    "PolicyConfig",
    "Probe",
    "RankCorrelation",
    "Seq2SeqPolicy",
    "Shift",
    "TrainingConfig",
    "Translation",
    "ValueAgent",
    "ValueConfig",
    "ValueNetwork",
    "ValueReport",
    "adapted",
    "agent_class",
    "best_of_n",
    "check_options",
    "fit",
    "known_device",
    "likeliest",
    "make_agent",
    "make_sampler",
    "minimum_bayes_risk",
    "one_sample",
    "policy_folder",
    "probe",
    "rank_correlations",
    "shift",
]
