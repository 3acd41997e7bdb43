from .adapters import adapted
from .agent import Agent, AgentConfig, agent_class, check_options, make_agent
from .agent_names import AGENTS
from .awr import AWR, AWRConfig, AWRLoss
from .bc import BC, BCLoss
from .bvmpo import BVMPO, BVMPOConfig, BVMPOLoss
from .ctranslate2_sampler import CTranslate2Sampler
from .decoding import Decoding, Method
from .device import known_device
from .dpo import DPO, DPOConfig, DPOLoss
from .engine_names import ComputeType, Engine
from .engines import Shift, make_sampler, shift
from .filtered_bc import FilteredBC
from .gold import GOLD, GOLDConfig, GOLDLoss
from .history import HistoryRow, ImproveReport
from .iql import IQL, IQLConfig, IQLLoss
from .lora import LoRA
from .loss_agent import LossAgent
from .oac import OAC, OACConfig, OACLoss
from .policy import Seq2SeqPolicy
from .policy_config import PolicyConfig
from .policy_folder import policy_folder
from .probing import Probe, probe
from .training import Learner, fit
from .training_config import TrainingConfig
from .translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
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
