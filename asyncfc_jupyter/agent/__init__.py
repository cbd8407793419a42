"""The agent: the wire protocol of futures, the loop, conversations and runs."""

from asyncfc_jupyter.agent.agent import Agent
from asyncfc_jupyter.agent.budget import Budget
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.future import Future
from asyncfc_jupyter.agent.memory import Memory
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.modes import Mode

__all__ = ["Agent", "Budget", "Conversation", "Future", "Memory", "Mode", "Run"]
