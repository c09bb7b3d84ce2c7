"""The one table of operators: what a validator that is slightly wrong about a keyword takes, or refuses.

For each keyword of the request schemas it holds

- `breaks`: values that break this keyword, from the plainest to the nearest miss,
- `weaker`: the subschema with this keyword as a careless validator has it, who takes some of those values,
- `stronger`: the subschema with this keyword as a strict validator has it, who refuses some legal values.

So a value that is sent and the fault that it is there to find stand side by side. Which values are indeed breaches, and
not left open, is asked of the schema itself (`breaches`): what is listed here may be more than what one place needs.

Annotations that the table reads: `x-near` (words that others use in such a place) and `examples` (legal values).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Named = Iterator[tuple[str, Any]]
"""Pairs of a short name of what is done, and what comes of it."""

LITTLE = 1e-6
"""Of a number with fractions: more than a float of 32 bits loses near 2."""
_OTHER_TYPES = ("null", "boolean", "number", "string", "array", "object")
_LOOK_ALIKE = str.maketrans("aceijopsxy", "асеіјорѕху")  # Cyrillic
_CHARACTERS = {
    "non-ascii": "[^\\x00-\\x7f]",
    "astral": "[\U00010000-\U0010ffff]",
    "line-breaks": "\\n",
    "backslashes": "\\\\",
    "quotes": '"',
    "markup": "<",
}
"""Kinds of characters that a text may well hold, and that a strict server may not like."""
_NUMERIC = r"^-?[0-9]+(\.[0-9]+)?(?!\n)$"


@dataclass(frozen=True, slots=True)
class Operator:
    """What can be done to one keyword."""

    breaks: Callable[[Any, Schema, Any], Named]
    """(the keyword's value, the subschema, a legal value) to bad values."""
    weaker: Callable[[Any, Schema], Named]
    """(the keyword's value, the subschema) to subschemas that allow more."""
    stronger: Callable[[Any, Schema], Named]
    """(the keyword's value, the subschema) to subschemas that allow less."""


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types that a subschema allows; those of its values where it only lists these; none where it says nothing."""
    listed = schema.get("type", ())
    if listed:
        return (listed,) if isinstance(listed, str) else tuple(listed)
    words = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return ("string",) if words and all(isinstance(word, str) for word in words) else ()


def without(schema: Schema, *keywords: str) -> dict[str, Any]:
    """The subschema without some keywords."""
    return {keyword: value for keyword, value in schema.items() if keyword not in keywords}


def _or(schema: Schema, other: Schema) -> dict[str, Any]:
    """Either of the two; annotations stay where they were."""
    return {"anyOf": [dict(schema), dict(other)]}


def _nothing(*_: Any) -> Named:
    yield from ()


# --- type ------------------------------------------------------------------------------------------------------------


def _other_types(_: Any, schema: Schema, legal: Any) -> Named:
    """Values of other types: first the plainest, then those that somebody converts without a thought."""
    wanted = types_of(schema)
    if {"integer", "number"} & set(wanted):
        converted = [("number-as-text", f"{legal}"), ("boolean", True)]
        if "number" not in wanted:
            converted = [*reversed(converted), ("fraction", legal + 0.5)]
        yield from converted
        yield from (("extra-level", [legal]), ("object", {}), ("small-fraction", legal + 0.001))
    elif wanted == ("boolean",):
        yield from (("boolean-as-text", "true"), ("one", 1), ("zero", 0), ("no-as-text", "false"))
        yield from (("extra-level", [legal]), ("object", {}), ("word", "yes"), ("capital", "True"))
        yield "whole-fraction", 1.0
    elif "array" in wanted:
        yield from (("number", 5), ("one-element", legal[0]), ("text", "Hello"), ("null", None), ("object", {}))
        yield from (("boolean", True), ("numbered", {"0": legal[0]}))
    elif "object" in wanted:
        yield from (("text", "Hello"), ("number", 5), ("null", None), ("extra-level", [legal]), ("empty-list", []))
        yield from (("boolean", True), ("as-text", json.dumps(legal)))
        yield from (("member-alone", value) for value in list(legal.values())[:1])
    yield from (("number", 5), ("null", None), ("extra-level", [legal]), ("object", {}), ("boolean", True))
    yield from (
        ("empty-list", []),
        ("no", False),
        ("zero", 0),
        ("one-and-a-half", 1.5),
        ("text", "Hello"),
        ("blank", ""),
    )


def _more_types(_: Any, schema: Schema) -> Named:
    wanted = types_of(schema)
    yield "dropped", without(schema, "type")
    for other in _OTHER_TYPES:
        if other not in wanted and not (other == "number" and "integer" in wanted):
            yield f"takes-{other}", _or(schema, {"type": other})
    if "number" not in wanted and "integer" in wanted:
        yield "takes-fractions", {**schema, "type": "number"}
    if {"integer", "number"} & set(wanted):
        yield "takes-number-as-text", _or(schema, {"type": "string", "pattern": _NUMERIC})
    if wanted == ("boolean",):
        # Each alone: what stands for the one may be taken, and the other not.
        for value in ("true", "false"):
            yield f"takes-{value}-as-text", _or(schema, {"const": value})
        for name, number in (("zero", 0), ("one", 1)):
            yield f"takes-{name}", _or(schema, {"const": number})
    if "array" in wanted and "items" in schema:
        yield "takes-one-element", _or(schema, schema["items"])
    yield "takes-extra-level", _or(schema, {"type": "array", "minItems": 1, "items": dict(schema)})


def _fewer_types(_: Any, schema: Schema) -> Named:
    wanted = types_of(schema)
    for one in wanted if len(wanted) > 1 else ():
        yield f"refuses-{one}", {**schema, "type": [other for other in wanted if other != one]}
    if "number" in wanted:
        yield "refuses-fractions", {**schema, "type": "integer"}
        yield "refuses-small-fractions", {**schema, "not": {"exclusiveMinimum": 0, "maximum": 1e-3}}
    if wanted == ("boolean",):
        yield from ((f"refuses-{str(one).lower()}", {**schema, "const": not one}) for one in (True, False))
    if "string" in wanted and not {"pattern", "format", "enum", "const"} & schema.keys():
        for most in (32, 128, 1_000):
            yield f"refuses-more-than-{most}-characters", {**schema, "maxLength": most}
        for name, bad in _CHARACTERS.items():
            yield f"refuses-{name}", {**schema, "not": {"type": "string", "pattern": bad}}
        yield "refuses-blank", {**schema, "not": {"type": "string", "maxLength": 0}}
    if "array" in wanted:
        for most in (1, 2, 16, 128):
            if most < schema.get("maxItems", 1_000):
                yield f"refuses-more-than-{most}-items", {**schema, "maxItems": most}
    if "object" in wanted and not schema.get("required"):
        yield "refuses-empty", {**schema, "not": {"type": "object", "maxProperties": 0}}


# --- words -----------------------------------------------------------------------------------------------------------


def _misspelt(word: str) -> Named:
    """A word as a lenient reader takes it."""
    yield "other-case", word.upper()
    yield "capital", word.capitalize()
    yield "space-behind", f"{word} "
    yield "space-before", f" {word}"
    yield "newline", f"{word}\n"
    yield "plural", f"{word}s"
    yield "beginning", word[:-1]
    yield "short", word[: max(1, len(word) // 2)]
    yield "look-alike", word.translate(_LOOK_ALIKE)
    yield "full-width", "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in word)
    yield "zero-width", f"{word}\u200b"
    yield "quoted", f'"{word}"'
    yield "longer", f"{word}-{word}"


def _other_words(words: Any, schema: Schema, _: Any) -> Named:
    """Words of other APIs and of nobody, and each allowed word misspelt; one of each kind first."""
    known, *others = schema.get("x-near", ("unknown",))
    yield f"word-{known}", known
    yield "blank", ""
    second = words[min(1, len(words) - 1)]
    yield f"capital-{second}", second.capitalize()
    yield from ((f"word-{other}", other) for other in others[:1])
    yield f"other-case-{words[0]}", words[0].upper()
    yield from ((f"word-{other}", other) for other in others[1:])
    for word in words:
        yield from ((f"{kind}-{word}", value) for kind, value in _misspelt(word))
    yield "all", ",".join(words)


def _more_words(words: Any, schema: Schema) -> Named:
    bare = without(schema, "enum")
    text = {"type": "string"}
    alternatives = "|".join(re.escape(word) for word in words)
    shorter = "|".join(
        re.escape(word[:length]) for word in words for length in range(max(1, len(word) // 2), len(word))
    )
    yield "dropped", bare
    yield "any-text", {**bare, **text}
    for known in schema.get("x-near", ("unknown",)):
        yield f"takes-{known}", {**schema, "enum": [*words, known]}
    for name, pattern in (
        ("any-case", f"^(?i:{alternatives})(?!\\n)$"),
        ("capitals", "^(?:" + "|".join(re.escape(word.upper()) for word in words) + ")(?!\\n)$"),
        ("white-space", f"^\\s*(?:{alternatives})\\s*(?!\\n)$"),
        ("newline", f"^(?:{alternatives})\\n?(?![\\n])$"),
        ("plural", f"^(?:{alternatives})s?(?!\\n)$"),
        ("beginnings", f"^(?:{alternatives}|{shorter})(?!\\n)$"),
        ("longer", f"^(?:{alternatives})"),
        ("within", f"(?:{alternatives})"),
    ):
        yield f"takes-{name}", _or(schema, {**bare, **text, "pattern": pattern})
    yield "takes-blank", {**schema, "enum": [*words, ""]}
    for name, kind in (("number", "number"), ("null", "null"), ("list", "array"), ("object", "object")):
        yield f"takes-{name}", _or(schema, {"type": kind})


def _fewer_words(words: Any, schema: Schema) -> Named:
    for word in words:
        yield f"refuses-{word}", {**schema, "enum": [other for other in words if other != word]}


# --- identifiers -----------------------------------------------------------------------------------------------------


def _other_texts(_: Any, schema: Schema, legal: Any) -> Named:
    """An identifier that is nearly one: wrong at either end, in its prefix, or in a digit."""
    text = str(legal)
    prefix, colon, rest = text.rpartition(":")
    known, *others = schema.get("x-near", ("not-an-id",))
    yield f"word-{known}", known
    if colon:
        yield "prefix-missing", rest
    yield from (("blank", ""), ("short", text[:-1]))
    if colon:
        yield from (("prefix-only", f"{prefix}:"), ("other-prefix", f"user:{rest}"))
    yield from (("wrong-digit", f"{text[:-1]}g"), ("long", f"{text}0"))
    yield from ((f"word-{other}", other) for other in others)
    if colon:
        yield from (("prefix-plural", f"{prefix}s:{rest}"), ("prefix-short", f"{prefix[:-1]}:{rest}"))
        yield from (
            ("prefix-capital", f"{prefix.capitalize()}:{rest}"),
            ("prefix-capitals", f"{prefix.upper()}:{rest}"),
        )
        yield from (
            ("prefix-look-alike", f"{prefix.translate(_LOOK_ALIKE)}:{rest}"),
            ("prefix-twice", f"{prefix}:{text}"),
        )
        yield from (("other-colon", f"{prefix}-{rest}"), ("colon-missing", f"{prefix}{rest}"))
        yield from (("two-colons", f"{prefix}::{rest}"), ("before-prefix", f"x{text}"))
    yield "wrong-first-digit", text.replace(rest, f"g{rest[1:]}")
    yield "look-alike", f"{text[:-1]}\u043e"
    yield from (("dots", text.replace("-", ".")), ("two", f"{text},{text}"), ("path", f"{text}/"))
    yield from (("newline", f"{text}\n"), ("space-behind", f"{text} "), ("quoted", f'"{text}"'))


def _more_texts(pattern: Any, schema: Schema) -> Named:
    bare = without(schema, "pattern")
    yield "dropped", bare
    yield "not-blank", {**bare, "minLength": 1}
    literal = re.match(r"\^([\w:]+?)(?=[\[(])", pattern)
    end = r"(?!\n)$"
    body = pattern.removesuffix(end)
    prefix = literal[1] if literal else ""
    changed = {"longer": body, "newline": rf"{body}\n?{end}", "before": pattern.removeprefix("^")}
    if prefix:
        after = body[1 + len(prefix) :]
        changed |= {
            "prefix-missing": f"^(?:{prefix})?{after}{end}",
            "prefix-only": f"^{prefix}",
            "any-prefix": f"^[^:]*:{after}{end}",
            "prefix-any-case": f"^(?i:{prefix}){after}{end}",
            "prefix-twice": f"^(?:{prefix})+{after}{end}",
            "anything-with-a-colon": ":",
        }
    changed["any-letters"] = re.sub(r"\[[^\]]*\]", "[0-9A-Za-z]", pattern)
    *start, last = body.rpartition("{")
    if counted := re.match(r"(\d+)\}", last):
        most, rest = int(counted[1]), last[counted.end() :]
        for more, bounds in (("one-less", f"{most - 1},{most}"), ("one-more", f"{most},{most + 1}")):
            changed[more] = "".join(start) + bounds + "}" + rest + end
    for name, other in changed.items():
        if other != pattern:
            yield f"takes-{name}", {**schema, "pattern": other}


def _only_small_letters(pattern: Any, schema: Schema) -> Named:
    yield "refuses-capitals", {**schema, "pattern": pattern.replace("A-F", "")}


def _more_forms(_: Any, schema: Schema) -> Named:
    bare = without(schema, "format")
    digit, end = "[0-9A-Fa-f]", r"(?!\n)$"
    yield "dropped", bare
    yield "not-blank", {**bare, "minLength": 1}
    for name, pattern in (
        ("any-length", f"^{digit}+(?:-{digit}+)+{end}"),
        ("any-letters", "^" + "-".join(f"[0-9A-Za-z]{{{n}}}" for n in (8, 4, 4, 4, 12)) + end),
        ("any-36", f"^.{{36}}{end}"),
        ("longer", "^" + "-".join(f"{digit}{{{n}}}" for n in (8, 4, 4, 4, 12))),
        ("one-less", "^" + "-".join(f"{digit}{{{n}}}" for n in (8, 4, 4, 4, "11,12")) + end),
        ("one-more", "^" + "-".join(f"{digit}{{{n}}}" for n in (8, 4, 4, 4, "12,13")) + end),
        ("anything-with-a-hyphen", "-"),
    ):
        yield f"takes-{name}", {**bare, "pattern": pattern}


# --- ranges ----------------------------------------------------------------------------------------------------------


def _is_whole(schema: Schema) -> bool:
    return "number" not in types_of(schema)


def _below(least: Any, schema: Schema, _: Any) -> Named:
    if _is_whole(schema):
        yield from (("off-by-one", least - 1), ("off-by-two", least - 2))
    else:
        yield from (("off-by-a-tenth", round(least - 0.1, 9)), ("off-by-a-ten-thousandth", round(least - 1e-4, 9)))
        yield from (("off-by-little", least - LITTLE), ("off-by-one", least - 1))
    yield "opposite", -(schema.get("maximum", 100))
    yield "far", least - 1_000_000
    yield from (("word-32", -(2**31)), ("beyond-32", -(2**32) - 1), ("word-53", -(2**53)))


def _above(most: Any, schema: Schema, _: Any) -> Named:
    if _is_whole(schema):
        yield from (("off-by-one", most + 1), ("off-by-two", most + 2))
    else:
        yield from (("off-by-a-tenth", round(most + 0.1, 9)), ("off-by-a-ten-thousandth", round(most + 1e-4, 9)))
        yield from (("off-by-little", most + LITTLE), ("off-by-one", most + 1))
    yield "twice", most * 2 + 1
    yield "far", most + 1_000_000
    # What becomes a small number where a word is too short for it.
    yield from (("beyond-16", 2**16 * (most // 2**16 + 1) + 1), ("word-32", 2**31), ("beyond-32", 2**32 + 1))
    yield from (("word-53", 2**53 + 1), ("word-63", 2**63 - 1))


def _range(keyword: str, sign: int) -> tuple[Callable[[Any, Schema], Named], Callable[[Any, Schema], Named]]:
    exclusive = f"exclusive{keyword.capitalize()}"

    def weaker(bound: Any, schema: Schema) -> Named:
        yield "dropped", without(schema, keyword)
        steps = (1, 2, 1_000_000) if _is_whole(schema) else (LITTLE, 1e-4, 0.1, 1, 1_000_000)
        for step in steps:
            yield f"off-by-{step}", {**schema, keyword: bound + sign * step}
        # A number in a word too short for it may come out as another one; and some read -1 as "no limit".
        bare, other = without(schema, "minimum", "maximum"), "minimum" if sign > 0 else "maximum"
        yield "takes-beyond-a-word", _or(schema, {**bare, other: sign * 2**32})
        if sign < 0:
            yield "takes-minus-one", _or(schema, {**bare, "enum": [-1]})

    def stronger(bound: Any, schema: Schema) -> Named:
        yield "exclusive", {**without(schema, keyword), exclusive: bound}
        for step in (2, 100) if _is_whole(schema) else (1e-4, 0.1, 1):
            yield f"short-by-{step}", {**schema, keyword: bound - sign * step}

    return weaker, stronger


# --- lists -----------------------------------------------------------------------------------------------------------


def _too_few(least: Any, schema: Schema, legal: Any) -> Named:
    yield "off-by-one", legal[: least - 1]
    if least > 1:
        yield "empty", []


def _too_many(most: Any, schema: Schema, legal: Any) -> Named:
    for name, count in (("off-by-one", most + 1), ("off-by-two", most + 2), ("twice", most * 2)):
        yield name, (legal * count)[:count]


def _count(keyword: str, sign: int) -> tuple[Callable[[Any, Schema], Named], Callable[[Any, Schema], Named]]:
    def weaker(bound: Any, schema: Schema) -> Named:
        yield "dropped", without(schema, keyword)
        yield "off-by-one", {**schema, keyword: max(0, bound + sign)}
        if sign > 0:
            yield "twice", {**schema, keyword: bound * 2}

    def stronger(bound: Any, schema: Schema) -> Named:
        yield "short-by-one", {**schema, keyword: bound - sign}
        if sign > 0:
            yield "half", {**schema, keyword: bound // 2}

    return weaker, stronger


def _no_item(wanted: Any, schema: Schema, _: Any) -> Named:
    """For each member by which an item is told: other allowed values, to be given to the items by turns."""
    for member, only in wanted.get("properties", {}).items():
        allowed = schema.get("items", {}).get("properties", {}).get(member, {}).get("enum", ())
        others = [value for value in allowed if value != only.get("const")]
        for value in (*others[1:], *others[:1]):
            yield f"all-{value}", (member, (value,))
        if len(others) > 2:
            yield "by-turns", (member, tuple(others[:2]))


def _dropped(keyword: str) -> Callable[[Any, Schema], Named]:
    def weaker(_: Any, schema: Schema) -> Named:
        yield "dropped", without(schema, keyword)

    return weaker


# --- members ---------------------------------------------------------------------------------------------------------


def _fewer_members(names: Any, schema: Schema) -> Named:
    for name in names:
        yield f"dropped-{name}", {**schema, "required": [other for other in names if other != name]}


def _more_members(names: Any, schema: Schema) -> Named:
    for name in schema.get("properties", {}):
        if name not in names:
            yield f"demands-{name}", {**schema, "required": [*names, name]}


def _unjudged_members(members: Any, schema: Schema) -> Named:
    for name, inner in members.items():
        if inner.keys() & TABLE.keys():
            yield f"unjudged-{name}", {**schema, "properties": {**members, name: {}}}


def _known_members_only(members: Any, schema: Schema) -> Named:
    yield "refuses-others", {**schema, "additionalProperties": False}
    if "required" not in schema:
        yield from _more_members((), schema)
    for name in members:
        if name not in schema.get("required", ()):
            yield f"refuses-{name}", {**schema, "properties": {**members, name: False}}
    optional = [name for name in members if name not in schema.get("required", ())]
    for one, other in ((a, b) for i, a in enumerate(optional) for b in optional[i + 1 :]):
        both = {"not": {"required": [one, other]}}
        yield f"refuses-{one}-with-{other}", {**schema, "allOf": [*schema.get("allOf", []), both]}


def _some_items(items: Any, schema: Schema) -> Named:
    yield "dropped", without(schema, "items")
    for number in (n for n in (1, 2, 10, 100) if n < schema.get("maxItems", 1_000)):
        some = {**without(schema, "items"), "prefixItems": [dict(items)] * number}
        yield f"first-{number}-only", some


def _parts_left_out(parts: Any, schema: Schema) -> Named:
    for number in range(len(parts)):
        rest = [*parts[:number], *parts[number + 1 :]]
        yield f"dropped-{number}", {**schema, "allOf": rest} if rest else without(schema, "allOf")


TABLE: Mapping[str, Operator] = {
    "type": Operator(_other_types, _more_types, _fewer_types),
    "required": Operator(lambda names, *_: ((name, name) for name in names), _fewer_members, _more_members),
    "enum": Operator(_other_words, _more_words, _fewer_words),
    "const": Operator(_nothing, _dropped("const"), _nothing),
    "pattern": Operator(_other_texts, _more_texts, _only_small_letters),
    "format": Operator(_other_texts, _more_forms, _nothing),
    "minimum": Operator(_below, *_range("minimum", -1)),
    "maximum": Operator(_above, *_range("maximum", 1)),
    "minItems": Operator(_too_few, *_count("minItems", -1)),
    "maxItems": Operator(_too_many, *_count("maxItems", 1)),
    "contains": Operator(_no_item, _dropped("contains"), _nothing),
    "items": Operator(_nothing, _some_items, _nothing),
    "properties": Operator(_nothing, _unjudged_members, _known_members_only),
    "allOf": Operator(_nothing, _parts_left_out, _nothing),
}
"""Keyword to its operators. (`$ref` is not among them: references are followed before, see `shape`.)"""
