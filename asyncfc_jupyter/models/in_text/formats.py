"""Which model writes calls in which format, and how each server is made to parse it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.in_text.calls import BARE, FENCE
from asyncfc_jupyter.models.in_text.lines import BAR, DSML
from asyncfc_jupyter.models.keys import needs_no_key
from asyncfc_jupyter.models.profiles import profile_named
from asyncfc_jupyter.text import shorten

#: By opening and form, or by opening alone: the names of the parser for vLLM and for SGLang, from their documentation.
_PARSERS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("<tool_call>", "json"): ("hermes", "qwen"),
    ("<tool_call>", "xml"): ("qwen3_coder", "qwen3_coder"),
    ("<tool_call>", "glm"): ("glm45", "glm"),
    ("<tool_call>", "empty"): ("glm45", "glm"),
    ("<function=", "xml"): ("qwen3_coder", "qwen3_coder"),
    ("<seed:tool_call>", ""): ("seed_oss", ""),
    ("[TOOL_CALLS]", ""): ("mistral", "mistral"),
    ("<|python_tag|>", ""): ("llama3_json", "llama3"),
    (BARE, "json"): ("llama3_json", "llama3"),
    (BARE, "python"): ("pythonic", "pythonic"),
    (f"{FENCE}tool_code", ""): ("pythonic", "pythonic"),
    ("<|tool_call|>", ""): ("granite", ""),
    ("<|tool_call>", ""): ("gemma4", ""),
    ("<|action_start|>", ""): ("internlm", ""),
    ("<tool_calls>", ""): ("jamba", ""),
    ("<minimax:tool_call>", ""): ("minimax_m2", ""),
    ("<invoke name=", ""): ("minimax_m2", ""),
    ("<|tool_calls_section_begin|>", ""): ("kimi_k2", "kimi_k2"),
    ("<|tool_call_begin|>", ""): ("kimi_k2", "kimi_k2"),
    ("<|channel|>commentary to=", ""): ("openai", "gpt-oss"),
    ("<|start|>assistant to=", ""): ("openai", "gpt-oss"),
    ("<|start|>assistant<|channel|>commentary to=", ""): ("openai", "gpt-oss"),
    (f"<{DSML}function_calls>", ""): ("deepseek_v32", "deepseekv32"),
    (f"<{DSML}invoke name=", ""): ("deepseek_v32", "deepseekv32"),
    **{
        (f"<{bar}tool▁{word}▁begin{bar}>", form): parsers
        for bar in (BAR, "|")
        for word in ("calls", "call")
        for form, parsers in {
            "json in a block": ("deepseek_v3", "deepseekv3"),
            "json": ("deepseek_v31", "deepseekv31"),
        }.items()
    },
}
#: What makes each server parse calls, by the name of its profile where it has one.
_REMEDIES: Mapping[str, str] = {
    "vllm": "vLLM with --enable-auto-tool-choice --tool-call-parser {vllm}",
    "sglang": "SGLang with --tool-call-parser {sglang}",
    "llamacpp": "llama.cpp with --jinja",
    "ollama": "Ollama with a model whose template has tools (`ollama show NAME` lists them as a capability)",
    "lmstudio": "LM Studio with a model that it marks as trained for tool use",
}
#: The option that lets calls in the text be read, in a cell and in Python.
OPTION, ARGUMENT = "--calls-in-text", "calls_in_text=True"


def remedies(opening: str, form: str, server: str | None = None) -> str:
    """Return how the server is made to parse calls of this format, as the end of "start"; empty if users cannot start it.

    Args:
        opening: How the call began.
        form: The form of its element.
        server: The name of the server's profile; without one, the remedy of each server is returned.
    """
    profile = None
    with contextlib.suppress(UsageError):  # in a replay, a server may have any name
        profile = profile_named(server) if server else None
    if profile is not None and profile.name not in _REMEDIES and not needs_no_key(profile.base_url or ""):
        return ""
    vllm, sglang = _PARSERS.get((opening, form)) or _PARSERS.get((opening, "")) or ("", "")
    known = [_REMEDIES[profile.name]] if profile and profile.name in _REMEDIES else list(_REMEDIES.values())
    return ", or ".join(known).format(vllm=vllm or "PARSER", sglang=sglang or "PARSER")


def unread_note(tools: Sequence[str], opening: str, form: str, server: str | None = None) -> str:
    """Return the note on an answer that ends with calls of these tools, which the server sent as text; empty without any."""
    if not tools:
        return ""
    named = shorten(" and ".join(dict.fromkeys(tools)), 200)
    calls = "a call" if len(tools) == 1 else "calls"
    remedy = remedies(opening, form, server)
    return (
        f"the server sent {calls} of {named} as text ({opening}), so nothing was called: it parses no calls of this model; "
        f"{remedy and f'start {remedy}; or '}have calls in the text read: {OPTION}, or Agent(..., {ARGUMENT})"
    )
