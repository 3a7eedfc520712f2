"""Chat templates that hang, grow, reach out or are broken, and real ones with random edits."""

from __future__ import annotations

import random
from pathlib import Path

BODY = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
"""What many cases still render, so that the bomb lies within something that looks right."""


def _growing(start: str, step: str, end: str = "n.x", rounds: int = 80) -> str:
    return (
        "{% set n = namespace(x="
        + start
        + ", d=0) %}{% for i in range("
        + str(rounds)
        + ") %}{% set n.x = "
        + step
        + " %}{% endfor %}{{ "
        + end
        + " }}"
    )


BIG = "('é' * 15000000)"

LOOPS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "filtered loops": "{% for i in range(99999) if 0 %}{% endfor %}" * 2
    + "{% for a in range(99999) %}{% for i in range(99999) if 0 %}{% endfor %}{% endfor %}",
    "macro calls itself": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(1) }}",
    "macro calls twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "recursive loop": "{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    "block calls twice": "{% set n = namespace(d=0) %}{% block a %}{% set n.d = n.d + 1 %}{% if n.d < 90 %}"
    "{{ self.a() }}{{ self.a() }}{% endif %}{% set n.d = n.d - 1 %}{% endblock %}",
    "caller": "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call f() %}" * 60
    + "x"
    + "{% endcall %}" * 60,
    "map of map": "{{ range(99999) | map('string') | list | length }}" * 500,
    "slow in steps": "{% for i in range(99999) %}{% set a = ('a' * 1000000) | upper %}{% endfor %}",
    "search": "{% set a = 'a' * 9000000 %}{% set b = 'a' * 4000000 ~ 'b' %}" + "{% if b in a %}{% endif %}" * 3_000,
    "statements without loops": "{% set a = 'ab' * 8000000 %}" + "{% set b = a | upper %}" * 3_000,
    "trim of many characters": "{{ ('a' * 9000000) | trim('b' * 9000000 ~ 'a') }}",
    "strip of many characters": "{{ ('a' * 9000000).strip('b' * 9000000 ~ 'a') }}",
    "slice": "{{ [1] | slice(999999999) | list }}",
    "slowly, every row": "{% for i in range(99999) %}{% for j in range(3) %}{% set x = i ~ j %}{% endfor %}{% endfor %}"
    * 10
    + BODY,
    "squares": _growing("9", "n.x * n.x", "n.x % 7"),
    "power tower": "{{ 9 ** (9 ** 9) }}",
    "power in steps": _growing("999", "n.x ** 9", "n.x % 7"),
    "division": "{% set x = (1).from_bytes(('a' * 9000000).encode(), 'big') %}{{ x // (x // 3 + 1) }}",
    "striptags": "{{ ('<!---->' * 2000000) | striptags }}",
    "urlize": "{{ ('.,' * 2000000 ~ 'a') | urlize }}",
    "wordwrap": "{{ ('a ' * 5000000) | wordwrap(1) }}",
    "sum of lists": "{{ ([[1]] * 900000) | sum(start=[]) | length }}",
    "comparison": "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(80) %}{% set n.x = [n.x, n.x] %}"
    "{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
    "hash": _growing("(1,)", "(n.x, n.x)", "{n.x: 1} | length"),
    "float": "{{ ('1_' * 40000 ~ '1') | float }}{{ " + "1_" * 20_000 + "1 }}",
}
MEMORY = {
    "multiplied text": "{{ 'a' * 10 ** 9 }}",
    "multiplied list": "{{ ([0] * 10 ** 9) | length }}",
    "multiplied in steps": "{{ ('a' * 9999 * 9999 * 9999) | length }}",
    "list of texts": _growing("[]", "n.x + [" + BIG + " ~ i]", "n.x | length", 3_000),
    "many names": "".join(f"{{% set a{i} = {BIG} ~ {i} %}}" for i in range(400)),
    "many slices": "{% set a = " + BIG + " %}" + "".join(f"{{% set a{i} = a[{i}:] %}}" for i in range(400)),
    "set block": "{% set a = " + BIG + " %}{% set b %}{% for i in range(400) %}{{ a }}{% endfor %}{% endset %}",
    "macro's text": "{% macro f() %}{% for i in range(400) %}{{ "
    + BIG
    + " ~ i }}{% endfor %}{% endmacro %}{{ f() | length }}",
    "locals of calls": "{% macro f(n) %}{% set a = "
    + BIG
    + " ~ n %}{{ f(n + 1) }}{{ a | length }}{% endmacro %}{{ f(0) }}",
    "doubling +": _growing("'a'", "n.x + n.x"),
    "doubling ~": _growing("'a'", "n.x ~ n.x"),
    "doubling lists": _growing("[1]", "n.x + n.x"),
    "doubling tuples": _growing("(1,)", "n.x * 2", "n.x | length"),
    "doubling bytes": _growing("'a'.encode()", "n.x + n.x", "n.x.hex() | length"),
    "nest printed": _growing("['a']", "[n.x, n.x]"),
    "nest as JSON": _growing("['a']", "[n.x, n.x]", "n.x | tojson"),
    "nest as text": _growing("['a']", "[n.x, n.x]", "n.x | string | length"),
    "nest by pprint": _growing("['a']", "[n.x, n.x]", "n.x | pprint | length"),
    "nest formatted": _growing("['a']", "[n.x, n.x]", "'%s' % (n.x,) | length"),
    "nest of dicts": _growing("{'a': 1}", "{'a': n.x, 'b': n.x}", "n.x | upper | length"),
    "nest of dict()": _growing("1", "dict(a=n.x, b=n.x)", "n.x | trim | length"),
    "namespace in itself": "{% set n = namespace(x=1) %}{% set n.x = [n, n] %}{{ n | string }}",
    "center": "{{ 'x' | center(10 ** 9) }}",
    "center, method": "{{ 'x'.center(999999999) | length }}",
    "ljust": "{{ 'x'.ljust(999999999) }}",
    "ljust of bytes": "{{ 'x'.encode().ljust(999999999) | length }}",
    "zfill": "{{ 'x'.zfill(999999999) | length }}",
    "expandtabs": "{{ ('\t' * 9999).expandtabs(9999999) | length }}",
    "expandtabs by name": "{{ ('\t' * 9999).expandtabs(tabsize=9999999) | length }}",
    "to_bytes": "{{ (1).to_bytes(999999999, 'big') | length }}",
    "indent": "{{ ('\n' * 9999999) | indent(9999) | length }}",
    "indent by text": "{{ ('\n' * 99999) | indent('x' * 99999) | length }}",
    "batch": "{{ [1] | batch(999999999, 'x') | list | length }}",
    "wordwrap's text": "{{ ('a ' * 9999) | wordwrap(1, wrapstring='x' * 999999) | length }}",
    "truncate": "{{ ('a ' * 9999) | truncate(5, end='x' * 15000000) | length }}",
    "join": "{{ range(99999) | join('x' * 9999999) }}",
    "join of map": "{{ range(99999) | map('string') | map('center', 9999) | join | length }}",
    "join, method": "{{ ('x' * 9999999).join(range(9) | map('string')) | length }}",
    "list of map": "{{ range(99999) | map('string') | map('center', 9999) | list | length }}",
    "list of text": "{{ " + BIG + " | list | length }}",
    "split": "{{ ('a ' * 7999999).split() | length }}",
    "split by a": "{{ ('a' * 15999999).split('a') | length }}",
    "splitlines": "{{ ('\n' * 15999999).splitlines() | length }}",
    "replace": "{{ ('a' * 1000000) | replace('a', 'b' * 1000) | length }}",
    "replace, method": "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "replace of nothing": "{{ ('a' * 9000000).replace('', 'b' * 1000) | length }}",
    "translate": "{{ ('a' * 999999).translate({97: 'x' * 999999}) | length }}",
    "escape": _growing("'&' * 1000000", "n.x | forceescape", "n.x | length"),
    "urlencode": _growing("'é' * 1000000", "n.x | urlencode", "n.x | length"),
    "upper": "{{ ('ΐ' * 15000000) | upper | length }}",
    "xmlattr": "{{ {'a': '&' * 15000000} | xmlattr | length }}",
    "sum": "{{ ([['a'] * 9999] * 9999) | sum(start=[]) | length }}",
    "constants": "{% set a = [" + "[0] * 9999999, " * 99 + "] %}",
    "long source": "x" * 3_000_000,
    "many variables": "".join(f"{{% set a{i} = {i} %}}" for i in range(20_000)),
}
FORMATS = {
    "width": "{{ '%1000000000d' % 1 }}",
    "width by star": "{{ '%*d' % (999999999, 1) }}",
    "many widths": "{{ ('%9999d' * 9999) % (range(9999) | list) }}",
    "format": "{{ '{:>1000000000}'.format(1) }}",
    "format, many": "{{ ('{0:>9999}' * 99999).format(1) | length }}",
    "format, repeated text": "{{ ('{0}' * 99999).format('a' * 999999) | length }}",
    "format, nested": "{{ '{:>{w}}'.format(1, w=999999999) | length }}",
    "format, nested text": "{{ '{:{a}{b}}'.format(1, a='>99999', b='9999') | length }}",
    "format_map": "{{ '{a:>{b}}'.format_map({'a': 1, 'b': 999999999}) | length }}",
    "filter": "{{ '%1000000000d' | format(1) }}",
    "filter, many": "{{ ('%s' * 999) | format(*(['a' * 999999] * 999)) | length }}",
    "precision": "{{ '%.999999999f' % 1 }}",
    "precision, short": "{{ ('%.9999f' * 9999) % tuple }}",
    "strftime": "{{ strftime_now('%Y' * 9999999) | length }}",
    "strftime, width": "{{ strftime_now('%0999999999Y') | length }}",
    "class": "{{ '{0.__class__}'.format(messages) }}",
    "class, map": "{{ ['{0.__class__.__mro__}'] | map('format', messages) | list }}",
    "class, format_map": "{{ '{a.__class__}'.format_map({'a': messages}) }}",
}
ESCAPES = {
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr": "{{ '' | attr('__class__') | attr('__mro__') }}",
    "attr in parts": "{{ '' | attr('__cla' ~ 'ss__') }}",
    "item": "{{ ''['__class__'] }}",
    "map attribute": "{{ [''] | map(attribute='__class__') | list }}",
    "map attr": "{{ [''] | map('attr', '__class__') | list }}",
    "groupby": "{{ [''] | groupby('__class__') | list }}",
    "sort": "{{ ['', 'a'] | sort(attribute='__class__') }}",
    "attr format": "{{ ('{0.__class__}' | attr('format'))(messages) }}",
    "globals": "{{ raise_exception.__globals__ }}",
    "tick's globals": "{{ __tick.__func__.__globals__ }}",
    "tick's self": "{{ __tick.__self__ }}",
    "environment": "{{ self._TemplateReference__context.environment }}",
    "context": "{{ self.__init__.__globals__ }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "joiner": "{{ joiner.__init__.__globals__ }}",
    "namespace": "{{ namespace.__init__.__globals__ }}",
    "namespace set": "{% set n = namespace(__class__=1) %}{{ n.__init__.__globals__ }}",
    "range": "{{ range.__class__ }}",
    "generator": "{{ (messages | map('string')).gi_frame.f_globals }}",
    "macro": "{% macro f() %}{% endmacro %}{{ f._func.__globals__ }}",
    "loop": "{% for m in messages %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "mutation": "{{ messages.append(1) }}{{ messages[0].update({'a': 1}) }}{{ messages.clear() }}",
    "import": "{% import 'os' as os %}{{ os }}",
    "include": "{% include '/etc/passwd' %}",
    "extends": "{% extends '/etc/passwd' %}",
    "overwritten tick": "{% set __tick = 1 %}" + LOOPS["nested loops"],
    "overwritten concat": "{% set __concat = 1 %}{{ 'a' ~ 'b' }}",
    "template's own name": "{% set messages = 1 %}{% set loop = 2 %}" + BODY,
    "debug": "{% debug %}",
    "do": "{% do messages.append(1) %}",
}
BROKEN = {
    "empty": "",
    "white space": " \n",
    "text alone": "hello",
    "NUL": "\0" + BODY,
    "half a character": "{{ '\\ud800' }}" + BODY,
    "noncharacters": "\ufdd0" + BODY + "\ufdd1",
    "open": "{{ messages",
    "open block": "{% for m in messages %}",
    "unknown tag": "{% frobnicate %}",
    "unknown filter": "{{ messages | frobnicate }}",
    "unknown test": "{{ messages is frobnicate }}",
    "unknown name": "{{ nobody.knows }}",
    "break outside": "{% break %}",
    "deep parentheses": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "deep lists": "{{ " + "[" * 300 + "]" * 300 + " }}",
    "deep minus": "{{ " + "-" * 20_000 + "1 }}",
    "long sum": "{{ " + "+".join(["1"] * 20_000) + " }}",
    "deep loops": "{% for a in [1] %}" * 60 + "x" + "{% endfor %}" * 60,
    "deeper loops": "{% for a in [1] %}" * 300 + "x" + "{% endfor %}" * 300,
    "deep ifs": "{% if 1 %}" * 300 + "x" + "{% endif %}" * 300,
    "deep macros": "{% macro f() %}" * 90 + "x" + "{% endmacro %}" * 90,
    "many elifs": "{% if 0 %}" + "{% elif 0 %}" * 5_000 + "{% endif %}",
    "deep calls": "{{ " + "messages.get(" * 200 + ")" * 200 + " }}",
    "divided by zero": "{{ 1 / 0 }}",
    "raise": "{{ raise_exception('no') }}",
    "raise a list": "{{ raise_exception(messages) }}",
    "raise nothing": "{{ raise_exception() }}",
    "raise on some": "{% if messages | length > 2 %}{{ raise_exception('<b>' * 9999) }}{% endif %}" + BODY,
    "keyword names": "{% set None = 1 %}{% set class = 2 %}{{ class }}",
    "generation unclosed": "{% generation %}" + BODY,
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "random": "{{ range(99) | random }}" + BODY,
    "clock": "{{ strftime_now('%f') }}" + BODY,
    "content reversed": "{% for m in messages %}{{ m.content | reverse }}{% endfor %}",
    "content twice": "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
    "first letter": "{% for m in messages %}{{ m.content[0] }}{% endfor %}",
    "roles alone": "{% for m in messages %}{{ m.role }}{% endfor %}",
    "backwards": "{% for m in messages | reverse %}" + "{{ m.role }}: {{ m.content }}\n{% endfor %}",
    "same header": "{% for m in messages %}<x>{{ m.content }}</x>{% endfor %}",
    "marks": "{% for m in messages %}\ufdd0{{ m.content }}\ufddf{% endfor %}",
    "length tells": "{% for m in messages %}{{ m.content | length }}{{ m.content }}{% endfor %}",
}
KINDS = {"loops": LOOPS, "memory": MEMORY, "formats": FORMATS, "escapes": ESCAPES, "broken": BROKEN}


def mutated(count: int, number: int) -> list[str]:
    """Real templates of TRL with random edits."""
    import trl

    chance = random.Random(number)
    sources = [file.read_text() for file in sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))]
    return [_edited(chance.choice(sources), sources, chance) for _ in range(count)]


def _edited(source: str, sources: list[str], chance: random.Random) -> str:
    for _ in range(chance.choice([1, 1, 2, 5])):
        start = chance.randrange(len(source) + 1)
        end = min(len(source), start + chance.choice([1, 1, 3, 10, 60, 400]))
        piece = source[start:end]
        way = chance.randrange(6)
        if way == 0:
            source = source[:start] + source[end:]
        elif way == 1:
            source = source[:end] + piece + source[end:]
        elif way == 2:
            other = chance.choice(sources)
            at = chance.randrange(len(other))
            source = source[:start] + other[at : at + 80] + source[end:]
        elif way == 3:
            source = source[:start] + chance.choice("{}%()[]'\"|.\n\0é<>-~") + source[start:]
        elif way == 4:
            words = [
                "content",
                "role",
                "messages",
                "assistant",
                "user",
                "add_generation_prompt",
                "loop.last",
                "trim",
                "not ",
            ]
            old, new = chance.choice(words), chance.choice(words)
            source = source.replace(old, new, chance.choice([1, 2, 99]))
        else:
            source = (
                source[:start] + chance.choice([*LOOPS.values(), *FORMATS.values(), *ESCAPES.values()]) + source[start:]
            )
    return source
