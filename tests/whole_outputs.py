"""Long outputs in a form that fits in a file and can be read."""

import re

#: Long repetitions of a character, of an escape or of a few characters: they are counted instead.
_ROWS = re.compile(r"(\\x[0-9a-f]{2}|.{1,8}?)\1{11,}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


def squeezed(text):
    """Return a text in which long repetitions are counted and invisible characters are written as escapes."""
    rows = _ROWS.sub(lambda row: f"{row[1]}{{{len(row[0]) // len(row[1])}}}", text)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", rows)


def sections(outputs):
    """Return outputs one below the other, each indented under its name."""
    shown = []
    for name, text in outputs:
        shown += [f"== {name}", *(f"   {line}" for line in squeezed(text).split("\n")), ""]
    return "\n".join(line.rstrip() for line in shown)
