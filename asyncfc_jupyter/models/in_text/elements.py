"""One call as a model writes it in its text: a JSON object, XML with a tag for each parameter, or a call in Python.

Each class takes the text in pieces, reads each character once, and says where the call ends. What it holds is parsed once, by
`json` or `ast`; nothing is evaluated.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.models.in_text.lines import DSML
from asyncfc_jupyter.models.json_object import strict_json

#: The parameters of each offered tool, as a JSON schema.
Tools = Mapping[str, Mapping[str, Any]]


class WrittenCall(NamedTuple):
    """A call of an offered tool: the arguments as JSON, or, where they cannot be read, as the model wrote them."""

    name: str
    arguments: str


#: Under these keys models name the tool and its arguments.
_NAME_KEYS, _ARGUMENT_KEYS = ("name", "tool_name", "function", "tool"), ("arguments", "parameters", "args", "input")
_NAMED = re.compile(rf"""["'](?:{"|".join(_NAME_KEYS)})["']\s*:\s*["']([^"'\\]+)["']""")
#: Characters in which a broken object must name its tool.
_NAMED_WITHIN = 2000
_STRUCTURE, _STRING_END = re.compile(r'["{}<]'), re.compile(r'["\\]')
_XML_TAG = re.compile(rf"<(/?)(?:{DSML})?(parameter|function|invoke|arg_key|arg_value|tool_call)\b([^<>]*)>")
_XML_END = re.compile(rf"</(?:{DSML})?(?:function|invoke|tool_call)>")
#: The longest tag, in characters: it holds the name of a parameter.
_LONGEST_TAG = 300
_PYTHON_STRUCTURE = re.compile(r"""["'()]""")
_PYTHON_STRING_END = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}
_CONSTANTS = {"true": True, "false": False, "null": None}


class JsonElement:
    """An object: the arguments of a tool that is named before it, or the name of a tool with its arguments.

    No JSON has ``<`` outside of a text, so there the object has ended, though braces are missing.
    """

    def __init__(self, name: str, *, strict: bool) -> None:
        self._name, self._strict = name, strict
        self._pieces: list[str] = []
        self._depth = 0
        self._in_string = self._escaped = False
        self.closed = False

    def feed(self, text: str) -> str:
        """Take a piece and return what follows the object."""
        end = self._scan(text)
        self._pieces.append(text[:end])
        return text[end:]

    def _scan(self, text: str) -> int:
        at, length = int(self._escaped and bool(text)), len(text)
        self._escaped = self._escaped and not text
        while match := (_STRING_END if self._in_string else _STRUCTURE).search(text, at):
            at = match.end()
            if match[0] == '"':
                self._in_string = not self._in_string
            elif match[0] == "\\":
                self._escaped = at == length
                at += 1
            else:
                self._depth += {"{": 1, "}": -1, "<": 0}[match[0]]
                self.closed = not self._depth or match[0] == "<"
                if self.closed:
                    return match.start() if match[0] == "<" else at
        return length

    def call(self, tools: Tools) -> WrittenCall | None:
        """Return the call; None if this calls no offered tool."""
        text = "".join(self._pieces).strip()
        if self._name:
            return WrittenCall(self._name, text)
        try:
            value = strict_json(text)
        except (ValueError, RecursionError):
            # The model is to learn what it wrote wrongly. Without its tool this is no call.
            named = _NAMED.search(text[:_NAMED_WITHIN])
            return WrittenCall(named[1], text) if named and named[1] in tools else None
        name = next((value[key] for key in _NAME_KEYS if key in value), None)
        if isinstance(value.get("function"), Mapping):  # as OpenAI's API writes it
            value = value["function"]
            name = value.get("name")
        key = next((key for key in _ARGUMENT_KEYS if key in value), None)
        if not isinstance(name, str) or name not in tools or (self._strict and key is None):
            return None
        given = value.get(key, {}) if key else {}
        return WrittenCall(name, given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False))


class XmlElement:
    """Parameters between tags: of Qwen3-Coder, Seed-OSS, MiniMax, DeepSeek V3.2, and, as keys and values, of GLM."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._raw: list[str] = []
        self._parameters: dict[str, tuple[str, str]] = {}
        #: The tag of the parameter that is open, its attributes, and its value so far.
        self._open, self._attributes = "", ""
        self._value: list[str] = []
        self._key = self._held = ""
        self.closed = False

    def feed(self, text: str) -> str:
        """Take a piece and return what follows the closing tag."""
        text, self._held = self._held + text, ""
        at = 0
        while match := _XML_TAG.search(text, at):
            self._value.append(text[at : match.start()])
            at = match.end()
            closes, tag, attributes = match.groups()
            if self._open:
                if closes and tag == self._open:
                    self._end()
                else:
                    self._value.append(match[0])
            elif closes and tag in {"function", "invoke", "tool_call"}:
                self.closed = True
                self._raw.append(text[:at])
                return text[at:]
            elif not closes and tag in {"parameter", "arg_key", "arg_value"}:
                self._open, self._attributes, self._value = tag, attributes, []
        bracket = text.rfind("<", at)
        end = bracket if bracket >= 0 and len(text) - bracket < _LONGEST_TAG else len(text)
        self._value.append(text[at:end])
        self._raw.append(text[:end])
        self._held = text[end:]
        return ""

    def _end(self) -> None:
        value = "".join(self._value).removeprefix("\n").removesuffix("\n")
        if self._open == "arg_key":
            self._key = value.strip()
        else:
            name = re.search(r"""=\s*["']?([^"'\s]+)""", self._attributes)
            self._parameters[name[1] if name else self._key] = value, self._attributes
        self._open, self._value = "", []

    def call(self, tools: Tools) -> WrittenCall | None:
        """Return the call."""
        if self._open and (end := _XML_END.search(value := "".join((*self._value, self._held)))):
            self._value = [value[: end.start()]]  # some models leave the closing tag of the last parameter out
            self._end()
            self.closed = True
        if not self.closed:
            return WrittenCall(self._name, "".join((*self._raw, self._held)))
        schemas = tools[self._name].get("properties", {})
        arguments = {
            name: _typed(value, schemas.get(name, {}), as_text='string="true"' in attributes)
            for name, (value, attributes) in self._parameters.items()
        }
        return WrittenCall(self._name, json.dumps(arguments, ensure_ascii=False))


class GemmaElement:
    """An object in the notation of Gemma 4: names without quotes, and each text between two marks."""

    _MARK = '<|"|>'
    _STRUCTURE = re.compile(r'<\|"\|>|[{}]')
    _KEY = re.compile(r"([{,]\s*)([^\s{}\[\],:]+)\s*:")

    def __init__(self, name: str) -> None:
        self._name = name
        self._pieces: list[str] = []
        self._held = ""
        self._depth = 0
        self._in_string = self.closed = False

    def feed(self, text: str) -> str:
        """Take a piece and return what follows the object."""
        text, self._held, at = self._held + text, "", 0
        while match := self._STRUCTURE.search(text, at):
            at = match.end()
            if match[0] == self._MARK:
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if match[0] == "{" else -1
                if not self._depth:
                    self.closed = True
                    self._pieces.append(text[:at])
                    return text[at:]
        bracket = text.rfind("<", at)
        end = bracket if bracket >= 0 and self._MARK.startswith(text[bracket:]) else len(text)
        self._pieces.append(text[:end])
        self._held = text[end:]
        return ""

    def call(self, _tools: Tools) -> WrittenCall | None:
        """Return the call."""
        parts = "".join((*self._pieces, self._held)).split(self._MARK)
        written = [json.dumps(part) if at % 2 else self._KEY.sub(r'\1"\2":', part) for at, part in enumerate(parts)]
        return WrittenCall(self._name, "".join(written))


def _typed(text: str, schema: Mapping[str, Any], *, as_text: bool) -> Any:
    """Return the value of a parameter, which XML writes as text: JSON, unless the schema takes any text."""
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    types: list[Any] = []
    for option in options:
        kind = option.get("type")
        if option.get("pattern") != REFERENCE_SCHEMA["pattern"]:
            types += kind if isinstance(kind, list) else [kind]
    if as_text or ("string" in types and not (text == "null" and "null" in types)):
        return text
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        return text  # a reference, a word of an enumeration, or wrong: then the tool's own check says so


class PythonElement:
    """A call in Python: of Llama 4, LFM2 and Gemma. Only constants are read, and ``$f1`` as a text."""

    def __init__(self, name: str, opening: str) -> None:
        self._name = name
        self._pieces = [opening]
        self._depth = opening.count("(")
        self._quote = ""
        self._escaped = False
        self.closed = False

    def feed(self, text: str) -> str:
        """Take a piece and return what follows the closing parenthesis."""
        at = int(self._escaped and bool(text))
        self._escaped = self._escaped and not text
        while match := (_PYTHON_STRING_END[self._quote] if self._quote else _PYTHON_STRUCTURE).search(text, at):
            at = match.end()
            if match[0] == "\\":
                self._escaped = at == len(text)
                at += 1
            elif match[0] in "\"'":
                self._quote = "" if self._quote else match[0]
            else:
                self._depth += 1 if match[0] == "(" else -1
                if not self._depth:
                    self.closed = True
                    self._pieces.append(text[:at])
                    return text[at:]
        self._pieces.append(text)
        return ""

    def call(self, tools: Tools) -> WrittenCall | None:
        """Return the call."""
        text = "".join(self._pieces)
        malformed = WrittenCall(self._name, text)
        try:
            call: Any = ast.parse(text, mode="eval").body
            if text.startswith("print("):
                call = call.args[0]
            named = list(tools[self._name].get("properties", {}))
            positional = dict(zip(named, map(_constant, call.args), strict=False))
            arguments = positional | {each.arg: _constant(each.value) for each in call.keywords if each.arg}
            return WrittenCall(self._name, json.dumps(arguments, ensure_ascii=False))
        except (SyntaxError, ValueError, TypeError, AttributeError, IndexError, RecursionError, MemoryError):
            return malformed  # the layer's message to the model shows that this is no JSON


def _constant(node: ast.expr) -> Any:
    """Return the value of a constant, with JSON's words beside those of Python.

    Raises:
        ValueError: It is no constant.
    """
    match node:
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_constant(each) for each in elements]
        case ast.Dict(keys=keys, values=values):
            return {_constant(key): _constant(value) for key, value in zip(keys, values, strict=True) if key}
        case _:
            return ast.literal_eval(node)


Element = JsonElement | XmlElement | GemmaElement | PythonElement
