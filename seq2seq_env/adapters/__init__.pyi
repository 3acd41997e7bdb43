from .message_env import MessageEnv, prompts
from .nemo_gym import verified_reward
from .reward_function import RewardFunction, reward_function
from .trl import TranslationTool, environment_factory

__all__ = [
    "MessageEnv",
    "RewardFunction",
    "TranslationTool",
    "environment_factory",
    "prompts",
    "reward_function",
    "verified_reward",
]
