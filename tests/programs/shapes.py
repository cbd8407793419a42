"""The shape of a value: its type and contents as plain data, so that values of two playings can be compared."""


def shape(value, seen=()):
    """Return the contents of a value, with the attributes of objects; ``1``, ``1.0`` and ``True`` are different."""
    if id(value) in seen:
        return "(itself)"
    kind, inside = type(value).__name__, (*seen, id(value))
    if "opaque" in vars(type(value)):
        return (kind,)  # its own code may raise
    if isinstance(value, dict):
        # Not sorted: a function sees the order of keys.
        contents = [(shape(key, inside), shape(item, inside)) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        contents = [shape(each, inside) for each in value]
    elif isinstance(value, set | frozenset):
        contents = sorted(map(repr, value))
    else:
        contents = "" if hasattr(value, "__dict__") else repr(value)
    attributes = {} if isinstance(value, type) else getattr(value, "__dict__", {})
    return kind, contents, *(((name, shape(each, inside)) for name, each in attributes.items()))
