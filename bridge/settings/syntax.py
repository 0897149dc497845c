"""YAML's own errors in an operator's words, and its scalars without its surprises."""

from __future__ import annotations

import yaml
from yaml.constructor import SafeConstructor

_TAG = "tag:yaml.org,2002:"
_TEXTS = {_TAG + name for name in ("str", "timestamp", "value", "merge")}
"""What stays text: dates too, for no option is one."""
_HINTS = {
    "'\\t'": "a tab stands here: indent with spaces",
    "mapping values are not allowed": 'there is a ": " where none can be: put the value in quotes, or check that the'
    " line is indented like the ones above it",
    "expected <block end>": "this does not fit what stands above: indent it like the lines it belongs to, or close a"
    " quote or bracket",
    "could not find expected ':'": 'a ": " is missing: write key: value',
    "expected ',' or": "a comma or a closing bracket is missing before this",
    "expected the node content": "a value is missing or begins with a character that has a meaning in YAML: put it in"
    " quotes",
    "that cannot start any token": "a value can't begin with this character: put it in quotes",
    "found unexpected end of stream": "a quote opens here that is never closed",
    "undefined alias": "there is no &anchor of this name above: write it, or quote the value if * is part of it",
    "found unknown escape": "in double quotes a backslash begins an escape: use single quotes, or write it twice",
    "but found another document": "a second document begins here: remove the line ---",
    "duplicate anchor": "this &anchor stands above already: name it otherwise",
}


class SyntaxProblem(Exception):
    """The text is no YAML, or YAML that no config can be."""

    def __init__(self, mark: yaml.Mark | None, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1 if mark else 1
        self.column = mark.column + 1 if mark else 1


def compose(text: str) -> yaml.Node | None:
    """Return the document's node, None for an empty one; raises SyntaxProblem."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _explained(error) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = yaml.Mark("", 0, before.count("\n"), len(before) - before.rfind("\n") - 1, None, 0)
        what = f"the character #x{error.character:04x} can't stand in YAML: remove it"
        raise SyntaxProblem(mark, what) from error
    except RecursionError as error:
        raise SyntaxProblem(None, "brackets or lists are nested too deeply: look for a bracket never closed") from error
    except (ValueError, OverflowError) as error:
        message = f"this is no YAML ({error}): look for \\x, \\u or \\U in double quotes"
        raise SyntaxProblem(None, message) from error
    return node


def whole(node: yaml.ScalarNode) -> str:
    """Return a scalar's text; raises SyntaxProblem for one that can't be written in UTF-8."""
    text = str(node.value)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise SyntaxProblem(node.start_mark, "half a character (\\ud800 to \\udfff) stands here: write the character")
    return text


def typed(node: yaml.ScalarNode) -> tuple[object, bool]:
    """Return a scalar's value, and whether its tag is one that a config can have."""
    text = whole(node)
    if node.tag in _TEXTS:
        return text, True
    if node.tag == _TAG + "null":
        return None, True
    return _computed(node, text)


def _computed(node: yaml.ScalarNode, text: str) -> tuple[object, bool]:
    """Return truth values and numbers; YAML 1.1's 10:30, a number to base sixty, stays text."""
    read = SafeConstructor()
    try:
        if node.tag == _TAG + "bool":
            return read.construct_yaml_bool(node), True
        if node.tag == _TAG + "int":
            return text if ":" in text else read.construct_yaml_int(node), True
        if node.tag == _TAG + "float":
            return text if ":" in text else read.construct_yaml_float(node), True
    except (ValueError, KeyError, IndexError):
        return text, True
    return None, False


def duplicate(key: str, first: yaml.Node) -> str:
    """Return what is said of a key that stands in a map twice."""
    return f'the key "{key}" is already on line {first.start_mark.line + 1}: remove one of the two'


def _explained(error: yaml.MarkedYAMLError) -> SyntaxProblem:
    said = error.problem or "this is no YAML"
    if "expected ',' or" in said and _at_a_variable(error.problem_mark):
        return SyntaxProblem(error.problem_mark, 'between { } or [ ] a variable stands in quotes: write "${NAME}"')
    unclosed = "quoted scalar" in (error.context or "") and "end of stream" in said
    mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
    hint = next((hint for part, hint in _HINTS.items() if part in said), None)
    began = error.context_mark
    above = began and mark and began.line < mark.line and error.context and not unclosed
    since = f" ({error.context} that began on line {began.line + 1})" if above and began else ""
    return SyntaxProblem(mark, (hint or f"{said}: this is no YAML, so check quotes and indentation") + since)


def _at_a_variable(mark: yaml.Mark | None) -> bool:
    """Return whether what YAML stumbles over is the brace of a ${VARIABLE} without quotes."""
    return mark is not None and (mark.buffer or "")[max(0, mark.pointer - 1) : mark.pointer + 1] == "${"
