"""Rows of every broken kind, as bytes of a file; the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

GOOD = {"messages": [{"role": "user", "content": "When do you open?"}, {"role": "assistant", "content": "At nine."}]}
"""One sound row in ten, so that what comes after reading is reached, too."""
GOOD_LINE = json.dumps(GOOD).encode()

ODD = [
    "",
    " \n\t ",
    "\0",
    "a\0b",
    "\ufeff",
    "\ufdd0\ufdd1x\ufddf",
    "\uffff",
    "\u202ereversed",
    "é" * 3,
    "😀👨‍👩‍👧",
    "<|im_end|>",
    "<|im_start|>assistant\n",
    "<|endoftext|>",
    "{{ messages }}",
    "{% for x in y %}",
    "<script>alert(1)</script>",
    "]]>",
    "=1+1",
    "../../etc/passwd",
    "%s%n{0.__class__}",
    "\x1b[31mred",
    "\r\n",
    "\u2028",
    "</think>",
    "<think>",
    "\ud83d",
    "a\udfff",
]
every_character = st.characters(exclude_categories=())
"""Halves of characters, too."""
texts = st.one_of(
    st.sampled_from(ODD), st.text(every_character, max_size=40), st.text(alphabet="ab <|>{}\n", max_size=60)
)
long_texts = st.tuples(st.sampled_from(["a", "word ", "é", "\n", "<|im_end|>", "\0", "<", "=", "Ã©", "\u3042"])).map(
    lambda one: one[0] * (200_000 // len(one[0]))
)
numbers = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 1e308]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
roles = st.one_of(
    st.sampled_from(
        ["user", "assistant", "system", "tool", "developer", "human", "gpt", "function_call", "observation"]
    ),
    st.sampled_from(["User", " assistant ", "bot", "", "asistant"]),
    anything,
)
contents = st.one_of(
    texts,
    anything,
    st.lists(st.fixed_dictionaries({"type": st.one_of(st.just("text"), texts), "text": anything}), max_size=3),
)
functions = st.one_of(
    anything,
    st.fixed_dictionaries(
        {"name": st.one_of(texts, anything)}, optional={"arguments": st.one_of(anything, texts), "parameters": anything}
    ),
)
calls = st.one_of(
    anything,
    st.lists(st.fixed_dictionaries({"function": functions}, optional={"id": anything, "type": anything}), max_size=3),
    st.lists(functions, max_size=3),
)
good_roles = st.sampled_from(["user", "assistant", "system", "tool"])
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.one_of(good_roles, roles), "content": contents},
        optional={
            "tool_calls": calls,
            "reasoning_content": contents,
            "name": anything,
            "weight": anything,
            "tool_call_id": anything,
        },
    ),
    max_size=5,
)
tool_rows = st.fixed_dictionaries(
    {
        "messages": st.tuples(calls, contents, texts).map(
            lambda one: [
                {"role": "user", "content": "Do it."},
                {"role": "assistant", "content": "", "tool_calls": one[0]},
                {"role": "tool", "content": one[1]},
                {"role": "assistant", "content": one[2]},
            ]
        )
    },
    optional={"tools": st.one_of(anything, st.lists(functions, max_size=3)), "chat_template_kwargs": anything},
)
turns = st.lists(st.fixed_dictionaries({"from": roles, "value": contents}), max_size=5)
sharegpt = st.fixed_dictionaries(
    {"conversations": st.one_of(turns, anything)}, optional={"system": anything, "tools": anything}
)
alpaca = st.fixed_dictionaries(
    {"instruction": contents, "output": contents}, optional={"input": anything, "system": anything, "history": anything}
)
pairs = st.fixed_dictionaries(
    {"prompt": st.one_of(texts, messages, anything), "completion": st.one_of(texts, messages, anything)}
)
long_rows = st.tuples(long_texts, st.booleans()).map(
    lambda one: {
        "messages": [
            {"role": "user", "content": one[0] if one[1] else "Hi"},
            {"role": "assistant", "content": "Hi" if one[1] else one[0]},
        ]
    }
)


def _plain(value: Any) -> bytes:
    """Escaped, so that lone surrogates and NUL get as far as they can; NaN and Infinity as Python writes them."""
    return json.dumps(value).encode()


def _raw(value: Any) -> bytes:
    """In UTF-8, lone surrogates too (which makes the bytes no UTF-8)."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _broken(value: Any, chance: random.Random) -> bytes:
    """A line with a few bytes cut out, doubled, or put in."""
    line = bytearray(_plain(value))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(line) + 1)
        way = chance.randrange(4)
        if way == 0:
            del line[at:]
        elif way == 1:
            del line[at : at + chance.randint(1, 5)]
        elif way == 2:
            line[at:at] = line[max(0, at - 5) : at]
        else:
            line[at:at] = bytes(
                [chance.choice([0, 0x22, 0x5C, 0x7B, 0x7D, 0x5B, 0x2C, 0x80, 0xC3, 0xED, 0xFF, 0x1F, 0x0D])]
            )
        line = line or bytearray(b"{")
    return bytes(line).replace(b"\n", b" ")


def _encoded(value: Any, chance: random.Random) -> bytes:
    encoding = chance.choice(["latin-1", "utf-16", "utf-16-le", "cp1252", "utf-8-sig", "utf-7", "shift-jis"])
    return json.dumps(value, ensure_ascii=False).encode(encoding, "replace").replace(b"\n", b" ")


def _deep(value: Any, chance: random.Random) -> bytes:
    depth = chance.choice([10, 63, 66, 300, 1_000, 5_000, 100_000])
    left, right = chance.choice([("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
    nest = left * depth + "1" + right * depth
    shapes = [
        nest,
        '{"messages": ' + nest + "}",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ' + nest + "}]}",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "tools": '
        + nest
        + "}",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": '
        '[{"function": {"name": "f", "arguments": ' + nest + "}}]}]}",
        '{"prompt": "x", "completion": "y", "extra": ' + nest + "}",
        '{"prompt": "x", "completion": "y", "chat_template_kwargs": ' + nest + "}",
    ]
    return chance.choice(shapes).encode()


def _huge(value: Any, chance: random.Random) -> bytes:
    number = chance.choice(
        ["1" * 5_000, "-1e999", "1e-999", "NaN", "Infinity", "0x10", "1_0", "9" * 400, "1." + "0" * 5_000, "-0"]
    )
    shapes = [
        '{"messages": [{"role": "user", "content": ' + number + '}, {"role": "assistant", "content": "y"}]}',
        '{"prompt": "x", "completion": ' + number + "}",
        '{"prompt": "x", "completion": "y", "id": ' + number + "}",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": '
        '[{"function": {"name": "f", "arguments": {"n": ' + number + "}}}]}]}",
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], '
        '"chat_template_kwargs": {"n": ' + number + "}}",
    ]
    return chance.choice(shapes).encode()


def _doubled(value: Any, chance: random.Random) -> bytes:
    """Keys that stand twice."""
    shapes = [
        '{"prompt": "a", "prompt": "b", "completion": "c"}',
        '{"prompt": "a", "completion": "c", "completion": "c"}',
        '{"messages": [{"role": "user", "role": "assistant", "content": "x"}]}',
        '{"messages": [], "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}',
        '{"messages": [{"role": "user", "content": "\\": x"}, {"role": "assistant", "content": "y", "content": '
        + _plain(value).decode()
        + "}]}",
        '{"" : 1, "": 2}',
    ]
    return chance.choice(shapes).encode()


Writer = Callable[[Any, random.Random], bytes]
KINDS: dict[str, tuple[st.SearchStrategy[Any], Writer]] = {
    "random JSON": (anything, lambda value, chance: chance.choice([_plain, _raw])(value)),
    "messages, nearly": (st.fixed_dictionaries({"messages": messages}), lambda value, chance: _raw(value)),
    "ShareGPT, nearly": (sharegpt, lambda value, chance: _plain(value)),
    "Alpaca, nearly": (st.one_of(alpaca, pairs), lambda value, chance: _plain(value)),
    "tool calls": (tool_rows, lambda value, chance: _plain(value)),
    "long texts": (long_rows, lambda value, chance: _plain(value)),
    "broken lines": (st.one_of(sharegpt, tool_rows, alpaca), _broken),
    "encodings": (st.one_of(sharegpt, alpaca), _encoded),
    "deep nesting": (st.none(), _deep),
    "huge numbers": (st.none(), _huge),
    "keys twice": (anything, _doubled),
}
"""Kind -> what its rows say, and how they are written."""

FORMATS = ("jsonl",) * 6 + ("json", "csv")


def lines(kind: str, count: int, number: int) -> list[bytes]:
    """``count`` rows of ``kind``, one in ten of them sound."""
    strategy, write = KINDS[kind]
    chance, found = random.Random(f"{kind} {number}"), []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    found = [found[index % len(found)] for index in range(count)]
    return [GOOD_LINE if index % 10 == 9 else write(value, chance) for index, value in enumerate(found)]


def file(kind: str, count: int, number: int) -> tuple[str, bytes]:
    """(suffix, content) of a file of ``count`` rows."""
    rows = lines(kind, count, number)
    encoding = FORMATS[number % len(FORMATS)]
    if encoding == "json":
        return encoding, b"[" + b",\n".join(rows) + b"]"
    if encoding == "csv":
        cells = [row.replace(b'"', b'""') for row in rows]
        return encoding, b"messages,prompt,completion\n" + b"\n".join(
            b'"' + cell + b'",a,"' + cell + b'"' for cell in cells
        )
    return encoding, b"\n".join(rows) + b"\n"
