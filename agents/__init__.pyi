from .agent import Agent, AgentConfig, LossAgent, agent_class, check_options, make_agent
from .agent_names import AGENTS, ONLINE
from .awr import AWR, AWRConfig
from .bc import BC
from .boltzmann import Boltzmann, BoltzmannConfig
from .bvmpo import BVMPO, BVMPOConfig
from .cpo import CPO, CPOConfig
from .dpo import DPO, DPOConfig
from .filtered_bc import FilteredBC
from .gold import GOLD, GOLDConfig
from .group_agent import GroupAgent
from .grpo import GRPO, GRPOConfig
from .ilql import ILQL, ILQLConfig
from .ipo import IPO, IPOConfig
from .iql import IQL, IQLConfig
from .iw_sft import IWSFT, IWSFTConfig
from .kto import KTO, KTOConfig
from .mad import MAD, MADConfig
from .mrt import MRT, MRTConfig
from .oac import OAC, OACConfig
from .off_policy.evaluation import OffPolicyReport, evaluate_off_policy
from .off_policy.off_policy_config import OffPolicyConfig
from .on_policy import OnPolicy
from .online_agent import OnlineAgent, OnlineConfig
from .policy.adapters import adapted
from .policy.lora import LoRA
from .policy.policy_config import PolicyConfig
from .policy.policy_folder import policy_folder
from .policy.run_evaluation import run_evaluation
from .policy.seq2seq_policy import Seq2SeqPolicy
from .ppo import PPO, PPOConfig
from .q_bve import QBVE, QBVEConfig
from .reward_conditioned import RewardConditioned, RewardConditionedConfig
from .rloo import RLOO, RLOOConfig
from .rollout_config import RolloutConfig
from .rwr import RWR
from .sampling.ctranslate2_sampler import CTranslate2Sampler
from .sampling.decoding import Decoding
from .sampling.engine_names import ComputeType, Engine
from .sampling.engines import make_sampler, sampler_kl
from .sampling.network_sampler import NetworkSampler
from .sampling.translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
from .sampling.vllm_sampler import VLLMSampler
from .slic import SLiC, SLiCConfig
from .training.device import known_device
from .training.history import ImproveReport
from .training.learner import Learner
from .training.loop import fit
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
    "CPO",
    "DPO",
    "GOLD",
    "GRPO",
    "ILQL",
    "IPO",
    "IQL",
    "IWSFT",
    "KTO",
    "MAD",
    "MRT",
    "OAC",
    "ONLINE",
    "PPO",
    "QBVE",
    "RLOO",
    "RWR",
    "AWRConfig",
    "Agent",
    "AgentConfig",
    "BVMPOConfig",
    "Boltzmann",
    "BoltzmannConfig",
    "CPOConfig",
    "CTranslate2Sampler",
    "ComputeType",
    "DPOConfig",
    "Decoding",
    "Engine",
    "FilteredBC",
    "GOLDConfig",
    "GRPOConfig",
    "GroupAgent",
    "ILQLConfig",
    "IPOConfig",
    "IQLConfig",
    "IWSFTConfig",
    "ImproveReport",
    "KTOConfig",
    "Learner",
    "LoRA",
    "LossAgent",
    "MADConfig",
    "MRTConfig",
    "NetworkSampler",
    "OACConfig",
    "OffPolicyConfig",
    "OffPolicyReport",
    "OnPolicy",
    "OnlineAgent",
    "OnlineConfig",
    "PPOConfig",
    "PolicyConfig",
    "QBVEConfig",
    "RLOOConfig",
    "RewardConditioned",
    "RewardConditionedConfig",
    "RolloutConfig",
    "SLiC",
    "SLiCConfig",
    "Seq2SeqPolicy",
    "TrainingConfig",
    "Translation",
    "VLLMSampler",
    "ValueAgent",
    "ValueConfig",
    "ValueNetwork",
    "ValueReport",
    "adapted",
    "agent_class",
    "best_of_n",
    "check_options",
    "evaluate_off_policy",
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
