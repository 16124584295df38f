#!/usr/bin/env python3
"""Write cases.json: what the Jinja2 package makes of the templates here.

The environment is set up as transformers' apply_chat_template does it.  tests/unit/test_template_families.c renders the
same with libnce and compares bytes; it needs no Python.  Run this again after a change of a template or a case:
    tests/templates/generate.py           (needs the package jinja2; written with 3.1.6)
The family templates are written down by the public format of each family; texts that a format leaves free are our own.
"""
import json
import os
import time
import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1750000000  # 2025-06-15 15:06:40

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city,\nas measured.",
           "parameters": {"type": "object", "properties": {
               "city": {"type": "string", "description": "Name of the city"},
               "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
               "days": {"type": ["integer", "null"], "description": "How \"far\" ahead"},
               "places": {"type": "array", "items": {"type": "string"}}}, "required": ["city"]}}}
ADD = {"type": "function", "function": {"name": "add", "description": "Sum <of> two & more – numbers",
       "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
       "return": {"type": "number"}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time", "parameters": {"type": "object", "properties": {}}}}


def call(name, arguments, identity="abcdef123"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def m(role, content=None, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "one": [m("user", "Hello, who are you?")],
    "system": [m("system", "You are terse."), m("user", "  Name a colour. \n")],
    "turns": [m("system", "Answer in French.\nAlways."), m("user", "Hi"), m("assistant", "Salut !"), m("user", "What's 2+2?"),
              m("assistant", "<think>\nTwo and two.\n</think>\n\nQuatre."), m("user", "Merci 你好 🙂 \"quoted\" <b>&amp;</b> {{ x }} {% y %}")],
    "no_system": [m("user", "a"), m("assistant", " b "), m("user", "c\n")],
    "ends_with_reply": [m("user", "Say A"), m("assistant", "A")],
    "bad_order": [m("user", "one"), m("user", "two")],
    "tools": [m("system", "Use tools."), m("user", "Weather in Zürich?"),
              m("assistant", None, tool_calls=[call("get_weather", {"city": "Zürich", "unit": "celsius"})]),
              m("tool", "{\"temperature\": 21.5}", name="get_weather", tool_call_id="abcdef123"),
              m("assistant", "It is 21.5 degrees."), m("user", "And 2.0 + 3e20?")],
    "two_calls": [m("user", "Two cities"),
                  m("assistant", "", tool_calls=[call("get_weather", {"city": "Paris"}), call("add", {"a": 1, "b": -2.5e-7}, "zzzzzzzz9")]),
                  m("tool", "18", name="get_weather", tool_call_id="abcdef123"), m("tool", "1", name="add", tool_call_id="zzzzzzzz9")],
    "parts": [m("user", [{"type": "image"}, {"type": "text", "text": " What is this? "}])],
}

FAMILIES = {  # bos, eos
    "chatml": ("", "<|im_end|>"), "command-r": ("<BOS_TOKEN>", ""), "command-r-tools": ("<BOS_TOKEN>", ""),
    "deepseek-r1": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"), "deepseek-v2": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "deepseek-v3": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"), "gemma": ("<bos>", "<eos>"), "gemma3": ("<bos>", "<eos>"),
    "gpt-oss": ("", ""), "granite": ("", ""), "llama2": ("<s>", "</s>"), "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama3.1": ("<|begin_of_text|>", "<|eot_id|>"), "mistral-nemo": ("<s>", "</s>"), "mistral-v1": ("<s>", "</s>"),
    "mistral-v3": ("<s>", "</s>"), "olmo2": ("<|endoftext|>", "<|endoftext|>"), "phi3": ("<s>", "<|endoftext|>"), "phi4": ("", ""),
    "qwen2.5": ("", "<|im_end|>"), "qwen3": ("", "<|im_end|>"), "smollm": ("", ""), "smollm3": ("", ""), "zephyr": ("<s>", "</s>"),
}

RUNS = [  # conversation, tools, variables, add_generation_prompt
    ("one", None, {}, True), ("system", None, {}, True), ("turns", None, {}, True), ("turns", None, {}, False),
    ("no_system", None, {}, True), ("ends_with_reply", None, {}, False), ("bad_order", None, {}, True),
    ("tools", [WEATHER, ADD, CLOCK], {}, True), ("two_calls", [WEATHER, ADD], {}, True), ("parts", None, {}, True),
    ("one", [WEATHER], {"enable_thinking": False, "tools_in_user_message": False, "date_string": "1 May 2025"}, True),
    ("tools", [CLOCK], {"builtin_tools": ["get_weather", "code_interpreter"], "reasoning_effort": "high"}, False),
]

# The language, a feature each; x is 7, s a text, l a list, d a mapping.
VARIABLES = {"x": 7, "f": 2.5, "s": "Hello, Wörld of\ttemplates", "l": [3, 1, 2], "d": {"b": 2, "a": [1, {"c": None}], "items": "own"},
             "words": ["pear", "Apple", "fig", "apple"], "n": None, "t": True,
             "people": [{"name": "Ann", "age": 31, "tags": ["x"]}, {"name": "bob", "age": 25, "tags": []}, {"name": "Cy"}]}
SNIPPETS = r"""
{{ x + 1 }} {{ x - 10 }} {{ x * f }} {{ x / 2 }} {{ x // 2 }} {{ -x // 2 }} {{ x % 4 }} {{ -x % 4 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}
{{ 1e16 }} {{ 1.5e300 }} {{ 0.0001 }} {{ 0.00001 }} {{ 100.0 }} {{ 1e15 }} {{ 123456789012345680.0 }} {{ 0.1 + 0.2 }} {{ -0.0 }} {{ 1_000 }}
{{ 'a' ~ 1 ~ none ~ 2.0 ~ true ~ [1, 'x'] }} {{ 'ab' * 3 }} {{ [1] * 2 + [3] }} {{ (1, 2) + (3,) }} {{ () }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' in 'cat' }} {{ 4 not in l }} {{ 'b' in d }} {{ not x }} {{ x == 7 and 'yes' or 'no' }}
{{ x or 'z' }}|{{ n or 'z' }}|{{ n and 1 }}|{{ '' or [] or 0 or none }}
{{ 'big' if x > 5 else 'small' }} {{ 'big' if x > 50 }}| {{ 'a' if false else 'b' if false else 'c' }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[-3:] }} {{ s[:-3:2] }} {{ l[::-1] }} {{ l[1:] }} {{ l[5:] }} {{ l[-100:2] }} {{ s[8] }} {{ l[99] }}|
{{ d.b }} {{ d['b'] }} {{ d.a[1].c }} {{ d['items'] }} {{ d.nothing }}| {{ d.nothing is defined }} {{ d.get('q', 'dflt') }} {{ d.get('q') }} {{ d.keys() | list }} {{ d.values() | list }}
{{ s | upper }} {{ s | lower }} {{ s | title }} {{ s | capitalize }} {{ s.title() }} {{ s.upper() }} {{ 'ÄÖÜ éà' | lower }} {{ 'äöü éà' | upper }}
{{ "they're bill's friends-of a (fan)" | title }} {{ "they're bill's friends-of" .title() }} {{ 'x' | length }} {{ s | length }} {{ d | count }} {{ '日本' | length }}
{{ '  a b  ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ '  a '.strip() }}|{{ 'xaxy'.lstrip('x') }}|{{ 'axyx'.rstrip('xy') }}|{{ ' \n a\t'.rstrip() }}|
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b c d'.split(none, 2) }} {{ 'a\nb\n'.splitlines() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'aXbX'.count('X') }} {{ 'abcb'.replace('b', 'Q') }} {{ 'abcb'.replace('b', 'Q', 1) }}
{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '-'.join(['a', 'b']) }} {{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ ' '.isspace() }}
{{ '{} and {0}'.replace('{0}', '{}').format(1, 'b') }} {{ '{1}{0}{n}'.format('a', 'b', n=3) }} {{ '{{}}'.format() }} {{ '%s=%d %.2f%%' | format('a', 3, 2.5) }} {{ '%s-%s' % ('a', 'b') }} {{ 'n=%d' % 4 }}
{{ l | join(', ') }} {{ people | join('/', attribute='name') }} {{ l | sort }} {{ l | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ words | unique | list }}
{{ people | map(attribute='name') | list }} {{ people | map(attribute='age', default=0) | list }} {{ words | map('upper') | join }} {{ words | map('replace', 'p', 'P') | list }} {{ people[:1] | map(attribute='tags.0') | list }} {{ people | map(attribute='tags') | list | length }}
{{ people | selectattr('age') | map(attribute='name') | list }} {{ people[:2] | selectattr('age', 'gt', 30) | list }} {{ people | rejectattr('age', 'defined') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [0, 1, ''] | select | list }} {{ [1, 2] | reject('equalto', 1) | list }}
{{ l | first }} {{ l | last }} {{ [] | first }}| {{ l | min }} {{ l | max }} {{ l | sum }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ words | max }} {{ people | selectattr('age') | max(attribute='age') }}
{{ -5 | abs }} {{ (-5) | abs }} {{ 2.567 | round(1) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 7 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 2.19 | round(1, 'floor') }} {{ '42' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.99 | int }} {{ '2.5' | float }} {{ 3 | float }} {{ 'q' | float }}
{{ n | default('dn') }} {{ u | default('du') }} {{ n | default('dn', true) }} {{ '' | d('e', boolean=true) }} {{ u | d }}| {{ u }}| {{ u | length }} {{ u | list }} {{ u is undefined }}
{{ d | tojson }} {{ d | tojson(indent=2) }} {{ 'é"\\\n\t<>&\'' | tojson }} {{ [] | tojson(indent=2) }} {{ {} | tojson }} {{ 'é🙂' | tojson(ensure_ascii=true) }} {{ d | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 1.0 | tojson }} {{ (1, none) | tojson }} {{ {1: 2} | tojson }}
{{ d }} {{ ['it\'s', "q\"", 'both\'"', 'n\n\\'] }} {{ {'k': (1,), none: true} }} {{ 1.0 }} {{ none }} {{ true }}
{{ d | dictsort }} {{ {'B': 1, 'a': 3, 'c': 2} | dictsort }} {{ {'B': 1, 'a': 3} | dictsort(true) }} {{ {'x': 2, 'y': 1} | dictsort(by='value') }} {{ {'x': 2, 'y': 1} | dictsort(false, 'key', true) }}
{% for k, v in d.items() %}{{ loop.index }}/{{ loop.length }}:{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}
{% for k in d | items %}{{ k[0] }}{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for c in 'añb' %}[{{ c }}]{% endfor %} {% for i in u %}never{% else %}empty{% endfor %}
{% for i in range(5) if i is odd %}{{ i }}:{{ loop.index0 }}:{{ loop.revindex }}:{{ loop.revindex0 }}:{{ loop.first }}:{{ loop.previtem }}:{{ loop.nextitem }} {% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{ i }}{% endfor %} {{ range(3) | list }} {{ range(1, 10, 3) | list }} {{ range(5, 0, -2) | list }} {% for i in range(4) %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 2) }}{% endfor %}
{% for a in [1, 2] %}{% for b in [1, 2] %}{{ loop.depth }}{{ a }}{{ b }} {% endfor %}{{ loop.depth0 }}{% endfor %} {% for a, (b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}
{% set y = 1 %}{% for i in [1, 2] %}{{ y }}{% set y = y + i %}{{ y }} {% endfor %}{{ y }} {% set ns = namespace(n=0, other='o') %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.other }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% if true %}{% set z = 5 %}{% endif %}{{ z }}
{% set block %}  in {{ x }} {% endset %}[{{ block }}] {% set up | upper | trim %} text {% endset %}[{{ up }}] {% filter upper %}shout {{ s }}{% endfilter %} {% with q = 3, r = x %}{{ q + r }}{% endwith %}{{ q }}|
{% macro greet(name, mark='!', times=2) %}{{ name }}{{ mark * times }}{% endmacro %}{{ greet('a') }} {{ greet('b', '?') }} {{ greet(mark='.', name='c', times=1) }} {{ greet() }} {{ greet('x') | upper }}
{% macro fact(k) %}{% if k <= 1 %}1{% else %}{{ k * (fact(k - 1) | int) }}{% endif %}{% endmacro %}{{ fact(10) }} {% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('b') %}in {{ x }}{% endcall %} {% macro each(l) %}{% for i in l %}{{ caller(i) }};{% endfor %}{% endmacro %}{% call(i) each([1, 2]) %}<{{ i }}>{% endcall %}
{{ x is number }} {{ f is float }} {{ x is integer }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ s is iterable }} {{ x is iterable }} {{ t is boolean }} {{ t is true }} {{ x is true }} {{ n is none }} {{ n is not none }} {{ x is odd }} {{ x is even }} {{ x is divisibleby 7 }} {{ x is divisibleby(2) }} {{ x is in [7] }} {{ x is eq 7 }} {{ x is sameas 7 }} {{ 'a' is lower }} {{ 'A' is upper }} {{ not x is defined }} {{ x is defined and u is undefined }} {{ range is callable }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ x is gt 3 }} {{ 3 is lessthan x }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ') }}|{{ '' | indent }}|{{ 'a\n' | indent(3) }}|
{{ 'x\u00e9\x41\101\t|' }} {{ "a" 'b' }} {{ 'a\
b' }} {{ '\q' }} {{ '<&>"' | e }} {{ '<b>' | safe }} {{ 5 | string + 'a' }} {{ [1, 2] | string }} {{ dict(a=1, b=2) }} {{ {'a': 1}.copy() }}
{# comment #}a{#- c -#} b {# x #}{% raw %}{{ not }} {% this %}{% endraw %}c {%- if true -%}  tight  {%- endif -%}  d {{- x -}} e {%+ if true %}plus{% endif +%} f
{{ strftime_now('%d %b %Y %H:%M:%S %A %a %B %j %y %m %p %I %% %-d') }} {{ {'a': {'b': 1}}['a']['b'] }} {{ {'a': 1,}.a }} {{ [1, 2,][1] }} {{ (1) }} {{ l[0:2] == [3, 1] }} {{ 'abc'[1:][0] }} {{ d.a.0 }}
{{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'ab' 'c' ~ 'd' | upper }} {{ '1' + 2 ~ 3 * 2 }} {{ not true or true }} {{ 5 if u else 6 }} {{ -x | abs }} {{ x.y is defined }} {{ x | string | length }} {{ 'é' < 'z' }} {{ (x, f) | max }} {{ true + true }}
""".strip("\n").replace("\\\n", "\\\0").split("\n")
SNIPPETS_BLOCK = [
    "A\n{% if x %}\n  B\n{% endif %}\n  C\n",
    "    {% for i in [1, 2] %}\n    {{ i }}\n    {% endfor %}\nend",
    "a\r\nb\rc\n\n",
    "  {#- c #}\n  x\n  {# c #}\n  y\n",
    "{% if true %}\n\n\nx{% endif %}   \n  {% set a = 1 %}  {{ a }}\n",
    "x {%- raw -%} \n {{ }} \n {%- endraw %}\n y",
    "{{ 1 }}\n{{ 2 }}  \n\t{% if 1 %}\n\tz\n\t{% endif %}",
    "{%- for m in l %}\n{{- m -}}\n{%- endfor %}\n\n",
    "{{ '}}' }}{{ {'a': {'b': '%}'}} }}",
    "{{ u.x }}", "{{ x + 'a' }}", "{{ u + 1 }}", "{{ l.append(4) }}", "{% for i in 5 %}{% endfor %}", "{{ 1 // 0 }}", "{{ u() }}",
    "{{ x.y.z }}", "{% set x.y = 1 %}", "{{ raise_exception('no: ' ~ x) }}", "{{ 'a' < 1 }}", "{{ 'a' in 5 }}", "{{ range(1000000) }}",
    "{% if %}", "{{ x", "{% endfor %}", "{% for x %}{% endfor %}", "{{ x | nofilter }}", "{{ x is notest }}", "{% if x %}", "{{ 'a }}", "{{ ) }}",
    "{# open", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{{ d | tojson(bad=1) }}",
]


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, indent=None, ensure_ascii=False, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(form):
        return time.strftime(form, time.gmtime(NOW))

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(env, text, **variables):
    try:
        return {"expected": env.from_string(text).render(**variables)}
    except Exception as e:  # that it fails is what is compared, the words are each program's own
        return {"fails": type(e).__name__}


def main():
    env = environment()
    out = {"now": NOW, "variables": VARIABLES, "conversations": CONVERSATIONS, "snippets": [], "cases": []}
    snippets = [s.replace("\0", "\n") for s in SNIPPETS]  # a backslash at the end of a line belongs to the next
    for text in snippets + SNIPPETS_BLOCK:
        out["snippets"].append({"template": text, **render(env, text, **VARIABLES)})
    for family, (bos, eos) in sorted(FAMILIES.items()):
        with open(os.path.join(HERE, "families", family + ".jinja"), encoding="utf-8", newline="") as f:
            text = f.read()
        for name, tools, variables, prompt in RUNS:
            got = render(env, text, messages=CONVERSATIONS[name], tools=tools, documents=None, add_generation_prompt=prompt,
                         bos_token=bos, eos_token=eos, **variables)
            out["cases"].append({"family": family, "conversation": name, "tools": tools, "variables": variables,
                                 "add_generation_prompt": prompt, "bos": bos, "eos": eos, **got})
    with open(os.path.join(HERE, "cases.json"), "w", encoding="utf-8") as f:
        parts = []
        for key, value in out.items():
            if isinstance(value, list):
                value = "[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n]"
            else:
                value = json.dumps(value, ensure_ascii=False)
            parts.append(json.dumps(key) + ": " + value)
        f.write("{" + ",\n".join(parts) + "}\n")
    fails = sum("fails" in c for c in out["cases"])
    print(f"{len(out['cases'])} cases of {len(FAMILIES)} families, {fails} refused; {len(out['snippets'])} snippets, "
          f"{sum('fails' in c for c in out['snippets'])} refused")
    for c in out["snippets"]:
        if "fails" in c:
            print("  refused:", c["fails"], repr(c["template"][:70]))
    for c in out["cases"]:
        if "fails" in c and c["fails"] not in ("TemplateError",):
            print("  ", c["family"], c["conversation"], c["fails"])


if __name__ == "__main__":
    main()
