from .agent import Agent, AgentConfig, LossAgent, agent_class, check_options, make_agent
from .agent_names import AGENTS, ONLINE
from .awr import AWR, AWRConfig
from .bc import BC
from .bvmpo import BVMPO, BVMPOConfig
from .dpo import DPO, DPOConfig
from .filtered_bc import FilteredBC
from .gold import GOLD, GOLDConfig
from .group_agent import GroupAgent
from .grpo import GRPO, GRPOConfig
from .iql import IQL, IQLConfig
from .mad import MAD, MADConfig
from .oac import OAC, OACConfig
from .on_policy import OnPolicy, RolloutConfig
from .online_agent import OnlineAgent, OnlineConfig
from .policy.adapters import adapted
from .policy.lora import LoRA
from .policy.policy_config import PolicyConfig
from .policy.policy_folder import policy_folder
from .policy.run_evaluation import run_evaluation
from .policy.seq2seq_policy import Seq2SeqPolicy
from .ppo import PPO, PPOConfig
from .rloo import RLOO, RLOOConfig
from .sampling.ctranslate2_sampler import CTranslate2Sampler
from .sampling.decoding import Decoding
from .sampling.engine_names import ComputeType, Engine
from .sampling.engines import make_sampler, sampler_kl
from .sampling.translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
from .training.device import known_device
from .training.history import ImproveReport
from .training.loop import Learner, fit
from .training.training_config import TrainingConfig
from .value import BVE, ValueNetwork
from .value_agent import ValueAgent, ValueConfig
from .value_report import ValueReport, rank_correlations

__all__ = [
    "AGENTS",
    "AWR",
    "BC",
    "BVE",
    "BVMPO",
    "DPO",
    "GOLD",
    "GRPO",
    "IQL",
    "MAD",
    "OAC",
    "ONLINE",
    "PPO",
    "RLOO",
    "AWRConfig",
    "Agent",
    "AgentConfig",
    "BVMPOConfig",
    "CTranslate2Sampler",
    "ComputeType",
    "DPOConfig",
    "Decoding",
    "Engine",
    "FilteredBC",
    "GOLDConfig",
    "GRPOConfig",
    "GroupAgent",
    "IQLConfig",
    "ImproveReport",
    "Learner",
    "LoRA",
    "LossAgent",
    "MADConfig",
    "OACConfig",
    "OnPolicy",
    "OnlineAgent",
    "OnlineConfig",
    "PPOConfig",
    "PolicyConfig",
    "RLOOConfig",
    "RolloutConfig",
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
    "run_evaluation",
    "sampler_kl",
]
