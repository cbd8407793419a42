"""How servers word what their status does not say: that a model loads, that a conversation is too long, that a path is missing.

Each pattern was collected from the sources or the documentation of the servers that are named beside it. Only the beginning of
a text is read.
"""

from __future__ import annotations

import html
import re

#: Characters of a server's text that are read: all wordings stand at the beginning.
_READ_CHARS = 2000

#: llama.cpp "Loading model"; Hugging Face "Model X is currently loading"; Ollama "llm server loading model"; SGLang and others
#: "The server is starting", "not ready".
_LOADING = re.compile(
    r"\bloading (the |a )?model\b|\b(is|currently|still) loading\b|\bbeing loaded\b|\bnot (yet |been |fully )*loaded yet\b"
    r"|\b(server|model|engine|service) is (still |currently )?(starting|warming up|initiali[sz]ing|not (yet )?ready)\b",
    re.IGNORECASE,
)
#: A model that cannot be loaded is not waited for.
_NOT_LOADED = re.compile(r"fail|error (while )?load|unable|cannot|could not|can't", re.IGNORECASE)

#: OpenAI, vLLM, DeepSeek, OpenRouter "maximum context length"; llama.cpp "exceeds the available context size"; OpenAI's
#: Responses "exceeds the context window"; Anthropic, Ollama, Fireworks "prompt is too long", "prompt too long"; Anthropic
#: "exceed context limit"; Bedrock "Input is too long"; Gemini "exceeds the maximum number of tokens allowed"; LM Studio
#: "context length of only", "n_ctx"; TGI "`max_new_tokens` must be <=", "must have less than"; xAI "maximum prompt length";
#: vLLM "longer than the maximum model length"; SGLang "longer than the model's context length"; Cohere "too many tokens"; Groq,
#: Cerebras "reduce the length"; GitHub "tokens_limit_reached"; LiteLLM "ContextWindowExceeded".
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|contextwindowexceeded|(prompt|input|conversation) (is |was )?too long"
    r"|maximum (prompt|model) length|maximum number of (input )?tokens|too many (input |total )?tokens|tokens_limit_reached"
    r"|max_new_tokens\W{1,3}must be|must have less than \d+ tokens|exceed_context|\bn_ctx\b"
    r"|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
#: FastAPI, vLLM "Not Found"; llama.cpp "File Not Found"; Go, Ollama "404 page not found"; LM Studio "Unexpected endpoint or
#: method"; Express "Cannot POST /v1/responses"; OpenAI, Azure "Invalid URL", "Resource not found"; Flask "URL was not found".
_NO_PATH = re.compile(
    r"^\W*(the )?(404 )?(page |file |resource |requested resource )?(was )?not found\W*$|unexpected endpoint|cannot post"
    r"|invalid url|\b(path|route|url|uri|endpoint|page)\b",
    re.IGNORECASE,
)
_MODEL = re.compile(r"\bmodels?\b|deployment|model_", re.IGNORECASE)
#: Gateways whose server speaks TLS: nginx; Apache "speaking plain HTTP to an SSL-enabled server port"; Go.
_WANTS_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS port|plain HTTP to an SSL|sent an HTTP request to an HTTPS server",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title[^>]{0,80}>([^<]{1,200})", re.IGNORECASE)


def says_loading(words: str) -> bool:
    """Return whether a server says that it loads its model, and so will answer later."""
    return bool(_LOADING.search(words[:_READ_CHARS])) and not _NOT_LOADED.search(words[:_READ_CHARS])


def says_too_long(words: str) -> bool:
    """Return whether a server says that the request is longer than the model's context."""
    return bool(_TOO_LONG.search(words[:_READ_CHARS]))


def says_no_path(message: str, words: str, model: str) -> bool:
    """Return whether a server says with a 404 that it lacks the path, rather than the model; without words it is the path.

    Args:
        message: Its message alone.
        words: All its words, with the code of the error.
        model: The model that was asked for.
    """
    if (model and model in words[:_READ_CHARS]) or _MODEL.search(words[:_READ_CHARS]):
        return False
    return not message.strip() or bool(_NO_PATH.search(message[:_READ_CHARS]))


def says_tls(words: str) -> bool:
    """Return whether a server says that it expects TLS."""
    return bool(_WANTS_TLS.search(words[:_READ_CHARS]))


def title_of(page: str) -> str:
    """Return the title of an HTML page, such as that of a gateway's error; empty if it has none."""
    found = _TITLE.search(page[:_READ_CHARS])
    return html.unescape(found[1]) if found else ""
