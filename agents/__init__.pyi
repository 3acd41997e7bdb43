from .agent import Agent, AgentConfig, LossAgent, agent_class, check_options, make_agent
from .agent_names import AGENTS
from .awr import AWR, AWRConfig, AWRLoss
from .bc import BC, BCLoss
from .bvmpo import BVMPO, BVMPOConfig, BVMPOLoss
from .dpo import DPO, DPOConfig, DPOLoss
from .filtered_bc import FilteredBC
from .gold import GOLD, GOLDConfig, GOLDLoss
from .iql import IQL, IQLConfig, IQLLoss
from .oac import OAC, OACConfig, OACLoss
from .policy.adapters import adapted
from .policy.lora import LoRA
from .policy.policy_config import PolicyConfig
from .policy.policy_folder import policy_folder
from .policy.seq2seq_policy import Seq2SeqPolicy
from .sampling.ctranslate2_sampler import CTranslate2Sampler
from .sampling.decoding import Decoding, Method
from .sampling.engine_names import ComputeType, Engine
from .sampling.engines import SamplerKL, make_sampler, sampler_kl
from .sampling.translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
from .training.device import known_device
from .training.history import HistoryRow, ImproveReport
from .training.loop import Learner, fit
from .training.training_config import TrainingConfig
from .value import BVE, BVELoss, ValueNetwork
from .value_agent import ValueAgent, ValueConfig
from .value_report import RankCorrelation, ValueReport, rank_correlations

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
    "RankCorrelation",
    "SamplerKL",
    "Seq2SeqPolicy",
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
    "rank_correlations",
    "sampler_kl",
]
