"""Calls as models write them in their text, format by format, from the templates and model cards of their families."""

from __future__ import annotations

import json

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA

PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"anyOf": [{"type": "integer"}, dict(REFERENCE_SCHEMA)]},
        "unit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
NAMES = ("get_weather", "get_weather_of_all", "get_time")
#: The tools that are offered.
TOOLS = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in NAMES]
#: The arguments of each call below.
ARGUMENTS = {"city": "Lisbon", "days": "$f1.days"}


def written(tool: str = "get_weather", key: str = "arguments", **arguments: object) -> str:
    """A call as one JSON object."""
    return json.dumps({"name": tool, key: arguments or ARGUMENTS})


_A = json.dumps(ARGUMENTS)
_PARAMETERS = "<parameter=city>\nLisbon\n</parameter>\n<parameter=days>\n$f1.days\n</parameter>\n"
_NAMED = '<parameter name="city">Lisbon</parameter>\n<parameter name="days">$f1.days</parameter>\n'
_KEYS = (
    "<arg_key>city</arg_key>\n<arg_value>Lisbon</arg_value>\n<arg_key>days</arg_key>\n<arg_value>$f1.days</arg_value>\n"
)
_B = "\uff5c"
_DSML = f"{_B}DSML{_B}"
_PYTHON = 'get_weather(city="Lisbon", days="$f1.days")'


def _deepseek(bar: str, head: str, arguments: str) -> str:
    """A call with the marks of DeepSeek; ``|`` in its head stands for the mark in the middle."""
    sep, *others = (
        f"<{bar}tool{name}{bar}>".replace("_", "\u2581") for name in ("_sep", "_calls_begin", "_call_begin")
    )
    ended = "".join(f"<{bar}tool{name}{bar}>".replace("_", "\u2581") for name in ("_call_end", "_calls_end"))
    return "".join(others) + head.replace("|", sep) + arguments + ended


#: One call of ``get_weather`` with `ARGUMENTS`, in each format.
FORMATS = {
    "Hermes, Qwen": f"<tool_call>\n{written()}\n</tool_call>",
    "Hermes, in one line": f"<tool_call>{written()}</tool_call>",
    "Hermes, without an end": f"<tool_call>\n{written()}",
    "Qwen3-Coder": f"<tool_call>\n<function=get_weather>\n{_PARAMETERS}</function>\n</tool_call>",
    "Qwen3-Coder, the function alone": f"<function=get_weather>\n{_PARAMETERS}</function>",
    "Qwen3-Coder, without the last closing tag": (
        "<function=get_weather>\n<parameter=city>\nLisbon\n</parameter>\n<parameter=days>\n$f1.days\n</function>"
    ),
    "Seed-OSS": (
        "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Lisbon</parameter>\n<parameter=days>$f1.days</parameter>\n"
        "</function>\n</seed:tool_call>"
    ),
    "GLM": f"<tool_call>get_weather\n{_KEYS}</tool_call>",
    "Mistral, a list": f"[TOOL_CALLS][{written()}]",
    "Mistral, a list after a blank": f"[TOOL_CALLS] [{written()}]",
    "Mistral, a name": f"[TOOL_CALLS]get_weather[ARGS]{_A}",
    "Mistral, a name without a mark": f"[TOOL_CALLS]get_weather{_A}",
    "Mistral, a name and an id": f"[TOOL_CALLS]get_weather[CALL_ID]a1B2c3D4e[ARGS]{_A}",
    "Llama 3, a tag": f"<|python_tag|>{written(key='parameters')}",
    "Llama 3, bare": written(key="parameters"),
    "Llama 3, with a type": f'{{"type": "function", {written(key="parameters")[1:]}',
    "Llama 3, a list": f"[{written(key='parameters')}]",
    "Llama 3.1, custom": f"<function=get_weather>{_A}</function>",
    "Llama 4": f"[{_PYTHON}]",
    "LFM2": f"<|tool_call_start|>[{_PYTHON}]<|tool_call_end|>",
    "the API's own": f'{{"type": "function", "function": {written()}}}',
    "Granite, Phi-4": f"<|tool_call|>[{written()}]",
    "Phi-4, with an end": f"<|tool_call|>[{written()}]<|/tool_call|>",
    "Phi": f"functools[{written()}]",
    "DeepSeek V3": _deepseek(_B, "function|get_weather\n", f"```json\n{_A}\n```"),
    "DeepSeek V3.1": _deepseek(_B, "get_weather|", _A),
    "DeepSeek V3.1, with narrow bars": _deepseek("|", "get_weather|", _A),
    "DeepSeek V3.2": (
        f'<{_DSML}function_calls>\n<{_DSML}invoke name="get_weather">\n<{_DSML}parameter name="city" string="true">Lisbon'
        f'</{_DSML}parameter>\n<{_DSML}parameter name="days" string="true">$f1.days</{_DSML}parameter>\n</{_DSML}invoke>\n'
        f"</{_DSML}function_calls>"
    ),
    "Gemma 3": f"```tool_code\n{_PYTHON}\n```",
    "Gemma 3, printed": f"```tool_code\nprint(default_api.{_PYTHON})\n```",
    "Gemma 3, JSON": f"```json\n{written()}\n```",
    "Gemma 3, after a text": f"I look it up.\n```json\n{written(key='parameters')}\n```\n",
    "Gemma 4": '<|tool_call>call:get_weather{city:<|"|>Lisbon<|"|>,days:<|"|>$f1.days<|"|>}<tool_call|>',
    "InternLM": f"<|action_start|><|plugin|>\n{written(key='parameters')}<|action_end|>",
    "Jamba, MiniMax-M1": f"<tool_calls>\n[{written()}]\n</tool_calls>",
    "MiniMax-M2": f'<minimax:tool_call>\n<invoke name="get_weather">\n{_NAMED}</invoke>\n</minimax:tool_call>',
    "invoke": f'<function_calls>\n<invoke name="get_weather">\n{_NAMED}</invoke>\n</function_calls>',
    "Kimi K2": (
        f"<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{_A}"
        "<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "gpt-oss": f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{_A}<|call|>",
    "gpt-oss, the recipient first": (
        f"<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{_A}<|call|>"
    ),
    "gpt-oss, after analysis": (
        f"<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{_A}<|call|>"
    ),
    "Command A": (
        '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": '
        + _A
        + "}\n]<|END_ACTION|>"
    ),
    "Nemotron": f"<TOOLCALL>[{written()}]</TOOLCALL>",
    "LM Studio": f"[TOOL_REQUEST]{written()}[END_TOOL_REQUEST]",
}
#: Texts that hold no call.
TEXTS = {
    "a tool that is not offered": f"<tool_call>{written('rm')}</tool_call>",
    "the same in XML": "<function=rm>\n<parameter=path>/</parameter>\n</function>",
    "the same after a name": f"[TOOL_CALLS]rm[ARGS]{_A}",
    "the same in Python": "[rm(path='/')]",
    "a longer name than that of a tool": f"<tool_call>{written('get_weathers')}</tool_call>",
    "an answer in JSON": written("Bob"),
    "an answer in JSON with the name of a tool": '{"name": "get_weather", "size": 3}',
    "an answer in JSON, in a block": f"```json\n{written('Bob')}\n```",
    "a format in a sentence": "Qwen writes <tool_call> and then the call, with {} around it.",
    "a format between backticks": f"Qwen writes `<tool_call>{written()}</tool_call>`.",
    "a format in a block": f"Like this:\n```xml\n<tool_call>{written()}</tool_call>\n```\n",
    "a call in a block with a text after it": f"```json\n{written()}\n```\nis how a call looks.",
    "a call in a block with more in it": f"```json\n{written()}\n// so\n```",
    "a call in a block of another language": f"```python\n{_PYTHON}\n```",
    "JSON in the middle": f"It is {written()}.",
    "Python in the middle": f"Call [{_PYTHON}].",
    "an opening alone": "<tool_call>",
    "an opening and its end": "<tool_call></tool_call> is empty.",
    "half an opening": "<tool_ca",
    "half a name": '<tool_call>{"name": "get_wea',
    "Markdown": "# A [link](http://a.b) and `code`, ``more``\n\n```python\nx = {'a': [1]}\n```\n~~~\n<b>\n",
    "a comparison": "a < b, c[0] < d[1] and <br> [TOOL] <|x|>",
    "blanks": " \n\n ",
    "nothing": "",
}
