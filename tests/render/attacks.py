"""What attackers write into templates and values: ways out of Jinja's sandbox, from public lists and past advisories, and bombs."""

# ruff: noqa: E501
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What a way out would show: Python's own objects, the machine's files and users, the settings of this process.
EVIDENCE = r"<(class|function|module|bound method|built-in|generator|method|slot wrapper|Undefined|Macro|Template|_io\.)|root:|uid=\d|0x[0-9a-f]{6,}|ESCAPED-\d"

# Where they begin: whatever a template is handed, or Jinja has by itself.
ROOTS = (
    "''", '""', "()", "[]", "{}", "1", "1.0", "true", "none", "lead", "lead.first_name", "lead.interests", "brand", "event",
    "rep", "offer", "seal", "checked_url", "track", "token", "unsubscribe_url", "self", "loop", "caller", "varargs", "kwargs",
    "range", "dict", "lipsum", "cycler", "joiner", "namespace", "config", "request", "session", "g", "url_for",
    "get_flashed_messages", "environment", "context", "super", "_", "gettext", "__builtins__", "hold", "laid_out", "measure",
)  # fmt: skip
# What they ask of it.
STEPS = (
    ".__class__", ".__class__.__mro__", ".__init__.__globals__", "['__class__']", "|attr('__class__')",
)  # fmt: skip
WHOLE = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.__base__.__subclasses__()[132].__init__.__globals__['popen']('id').read() }}",
    "{{ [].__class__.__base__.__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum.__globals__.os.environ }}",
    "{{ request|attr('application')|attr('\\x5f\\x5fglobals\\x5f\\x5f')|attr('\\x5f\\x5fgetitem\\x5f\\x5f')('\\x5f\\x5fbuiltins\\x5f\\x5f') }}",
    "{{ config.items() }}",
    "{{ config.from_object('os') }}",
    "{{ get_flashed_messages.__globals__['current_app'].config }}",
    "{{ url_for.__globals__['current_app'].config['SECRET_KEY'] }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{% if c.__name__ == 'catch_warnings' %}{{ c()._module.__builtins__ }}{% endif %}{% endfor %}",
    "{{ ''|attr(['_'*2,'class','_'*2]|join) }}",
    "{{ ''|attr('%c%cclass%c%c'|format(95,95,95,95)) }}",
    "{{ ()|attr('\\x5f\\x5fclass\\x5f\\x5f')|attr('\\x5f\\x5fbase\\x5f\\x5f')|attr('\\x5f\\x5fsubclasses\\x5f\\x5f')() }}",
    "{{ lead['__class__'] }}", "{{ lead[('__cl','ass__')|join] }}", "{{ lead.__getitem__ }}", "{{ lead.get('x') }}", "{{ lead.pop('key') }}",
    "{{ lead.update({'a': 1}) }}", "{{ lead.clear() }}", "{{ lead.setdefault('a', []) }}", "{{ lead.items.__self__ }}",
    "{{ lead.interests.append(1) }}", "{{ lead.interests.__class__ }}", "{{ lead.interests.sort() }}", "{{ lead.interests.__reversed__() }}",
    # CVE-2016-10745: str.format reaches attributes
    "{{ '{0.__class__}'.format(lead) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(lead) }}",
    "{{ '{a.__class__.__mro__}'.format(a=lead) }}",
    "{{ '{0[__class__]}'.format(lead) }}",
    "{{ ('{0.__class__}'|e).format(lead) }}",
    "{{ lead.first_name.format(lead) }}",
    "{{ '%s'.__mod__(lead) }}",
    # CVE-2019-10906: str.format_map does as well
    "{{ '{a.__class__}'.format_map({'a': lead}) }}",
    "{{ '{a.__class__.__mro__}'.format_map(dict(a=lead)) }}",
    "{{ lead.first_name.format_map(lead) }}",
    "{{ ('{x.__class__}'|string).format_map({'x': 1}) }}",
    # CVE-2024-56326: a stored reference to str.format, called by something else
    "{% set f = '{0.__class__}'.format %}{{ f(lead) }}",
    "{% set ns = {'f': '{0.__class__}'.format} %}{{ ns.f(lead) }}",
    "{% set ns = ['{0.__class__}'.format] %}{{ ns[0](lead) }}",
    "{% set ns = ('{0.__class__}'.format,) %}{{ (ns|first)(lead) }}",
    "{% for f in ['{0.__class__}'.format, '{0.__class__}'.format_map] %}{{ f(lead) }}{% endfor %}",
    "{{ ['{0.__class__}'.format]|map('call', lead)|list }}",
    "{{ [lead]|map('{0.__class__}'.format)|list }}",
    "{{ [lead]|map('format', lead)|list }}",
    "{{ ['{0.__class__}']|map('format', lead)|list }}",
    # CVE-2024-56201: a template's own name ends up in what it is compiled to
    "{% include \"{__import__('os').system('id')}\" %}",
    "{% extends \"'+__import__('os').popen('id').read()+'\" %}",
    "{% import 'os' as os %}{{ os.popen('id') }}",
    "{% from 'os' import popen %}{{ popen('id') }}",
    "{% block x %}{{ self.x.__class__ }}{% endblock %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    # CVE-2025-27516: |attr gets at a str.format that the sandbox does not see
    "{{ '{0.__class__}'|attr('format')(lead) }}",
    "{{ ('{0.__class__}'|attr('format'))(lead) }}",
    "{{ ['{0.__class__}']|map(attribute='format')|first }}",
    "{{ (['{0.__class__}']|map(attribute='format')|first)(lead) }}",
    "{{ '{0.__class__}'|attr('__class__')|attr('format') }}",
    "{{ ['']|map('attr', '__class__')|list }}",
    "{{ ['']|map(attribute='__class__')|list }}",
    "{{ ['']|map(attribute='__class__.__mro__')|list }}",
    "{{ ['']|selectattr('__class__')|list }}",
    "{{ ['']|rejectattr('__class__.__mro__')|first }}",
    "{{ ['']|groupby('__class__')|list }}",
    "{{ ['', 'b']|sort(attribute='__class__')|list }}",
    "{{ ['']|sum(attribute='__class__', start='') }}",
    "{{ ['']|unique(attribute='__class__')|list }}",
    "{{ ['']|join(attribute='__class__') }}",
    "{{ ['']|max(attribute='__class__') }}", "{{ ['']|min(attribute='__class__') }}",
    "{{ ['']|map('string')|map(attribute='format') }}", "{{ ['']|map('upper') }}", "{{ ['']|select }}", "{{ ['']|batch(1) }}",
    "{{ lead|dictsort }}", "{{ lead|xmlattr }}", "{{ lead|tojson }}", "{{ lead|pprint }}", "{{ lead|items }}", "{{ lead|string }}",
    "{{ lead|list }}", "{{ lead|safe }}", "{{ lead|random }}", "{{ lead|filesizeformat }}", "{{ lead|wordcount }}", "{{ lead|urlize }}",
    "{{ lead is callable }}", "{{ lead.first_name is sameas('') }}", "{{ lead is filter('attr') }}", "{{ lead|selectattr('x', 'callable')|list }}",
    "{% macro m() %}{{ m.__class__ }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m() %}x{% endmacro %}{{ m.__init__.__globals__ }}", "{% macro m() %}x{% endmacro %}{{ m._func.__globals__ }}",
    "{% for x in [1] recursive %}{{ loop.__class__ }}{{ loop([1]) }}{% endfor %}", "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}", "{% for x in [1] %}{{ loop.cycle.__func__.__globals__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1] %}{{ loop._undefined }}{{ loop._recurse }}{% endfor %}",
    "{% with a = ''.__class__ %}{{ a }}{% endwith %}", "{% do lead.clear() %}", "{% set x %}{{ ''.__class__ }}{% endset %}{{ x }}",
    "{% set lead = self %}{{ lead.__class__ }}", "{% set seal = lead.clear %}{{ seal() }}", "{% if ''.__class__ %}ESCAPED-1{% endif %}",
    "{% if lead.__class__ is defined %}ESCAPED-2{% endif %}", "{% if cycler is defined %}ESCAPED-3{% endif %}", "{% debug %}",
    "{% autoescape false %}{{ lead.__class__ }}{% endautoescape %}", "{% trans %}{{ ''.__class__ }}{% endtrans %}",
    "{{ seal.__globals__ }}", "{{ seal.__closure__ }}", "{{ seal.__code__.co_consts }}", "{{ seal.__self__ }}", "{{ seal.__func__ }}",
    "{{ checked_url.__globals__['re'].__builtins__ }}", "{{ seal(seal) }}", "{{ seal('file:///etc/passwd') }}", "{{ checked_url('javascript:alert(1)') }}",
    "{{ ''[''.__class__] }}", "{{ {}[[].__class__] }}", "{{ ''.join.__self__ }}", "{{ 'a'.upper.__class__ }}", "{{ (1).__class__ }}",
    "{{ (1).to_bytes.__self__.__class__ }}", "{{ 1.0.__class__ }}", "{{ ''.encode('utf-16') }}", "{{ ''.translate({}) }}", "{{ 'a'.maketrans('a', 'b') }}",
    "{{ undefined_name.__class__ }}", "{{ undefined_name._undefined_exception }}", "{{ lead.none_such._fail_with_undefined_error.__globals__ }}",
    "{{ (lead.none_such|default(self)).__class__ }}", "{{ lead.none_such._undefined_obj }}", "{{ lead.none_such|default(lipsum) }}",
    "{{ '\\u005f\\u005fclass\\u005f\\u005f' and ''['\\u005f\\u005fclass\\u005f\\u005f'] }}", "{{ ''['__cla' ~ 'ss__'] }}", "{{ ''['ssalc__'|reverse|list|join] }}",
    "{{ lead|map(attribute='__class__')|list }}", "{{ lead|first|attr('__class__') }}", "{{ [lead]|map(attribute='__class__')|list }}",
    "{{ [lead]|map(attribute='items')|list }}", "{{ ([lead]|map(attribute='clear')|first)() }}", "{{ [seal]|map(attribute='__globals__')|list }}",
    "{{ [self]|map(attribute='_TemplateReference__context')|list }}", "{{ [1]|map('seal')|list }}", "{{ '%(a)s'|format(a=lead.__class__) }}",
    "{{ '%r'|format(seal) }}", "{{ '%s'|format(lead) }}", "{{ '%s'|format(seal) }}", "{{ '%a'|format(self) }}", "{{ '%r'|format(loop) }}",
    "{{ seal|string }}", "{{ seal ~ '' }}", "{{ [seal]|join }}", "{{ seal|e }}", "{{ seal|upper }}", "{{ seal|urlencode }}", "{{ seal|trim }}", "{{ seal|list }}",
    "{{ seal|replace('a', 'b') }}", "{{ seal|title }}", "{{ seal|truncate }}", "{{ seal|capitalize }}", "{{ seal|default('') }}", "{{ [seal]|string }}",
    "{{ {'a': seal}|string }}", "{{ checked_url ~ checked_url }}", "{{ {'a': seal}|join }}", "{{ [seal]|first }}", "{{ [seal]|sort }}", "{{ [[seal]]|join }}",
    "${7*7}${T(java.lang.Runtime).getRuntime().exec('id')}", "<%= system('id') %>", "#{7*7}", "{{= 7*7 }}", "{php}echo `id`;{/php}", "*{7*7}",
)  # fmt: skip


def escapes() -> Iterator[str]:
    """Every template of them, each once."""
    yield from WHOLE
    for root in ROOTS:
        for step in STEPS:
            yield f"{{{{ {root}{step} }}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bomb:
    """A template that would take all the time or memory there is. `event`: the data that it goes through."""

    name: str
    template: str
    event: dict[str, Any] = field(default_factory=dict)


MANY = {"items": list(range(3_000))}
LONG = {"text": "abcdefgh" * 50_000}
LOOPS = "{% for a in event.items %}{% for b in event.items %}{% for c in event.items %}"
ENDS = "{% endfor %}{% endfor %}{% endfor %}"
# Those that our sandbox refuses, whoever wrote the artifact.
REFUSED = (
    Bomb(name="text times a number", template="{{ 'a' * 10**9 }}"),
    Bomb(name="a value times a number", template="{{ event.text * 1000000 }}", event=LONG),
    Bomb(name="list times a number", template="{{ ([1] * 300000000)|length }}"),
    Bomb(name="a wide format", template="{{ '%500000000d'|format(1) }}"),
    Bomb(name="a wide precision", template="{{ '%.500000000f'|format(1) }}"),
    Bomb(name="a width from outside", template="{{ '%*d'|format(500000000, 1) }}"),
    Bomb(name="a format by %", template="{{ '%500000000d' % 1 }}"),
    Bomb(name="a tower of powers", template="{{ 9**9**9 }}"),
    Bomb(name="a large power", template="{{ 2**99999999 }}"),
    Bomb(name="range", template="{% for a in range(10**9) %}{% endfor %}"),
    Bomb(name="lipsum", template="{{ lipsum(n=100000) }}"),
    Bomb(name="a padded text", template="{{ 'a'.ljust(10**9) }}"),
    Bomb(name="center", template="{{ 'a'|center(10**9) }}"),
    Bomb(name="indent", template="{{ event.text|indent(10**9) }}", event=LONG),
    Bomb(name="batches", template="{{ [1]|batch(10**9, 'x')|list|length }}"),
    Bomb(name="slices", template="{{ [1]|slice(10**9)|list|length }}"),
    Bomb(name="a macro in itself", template="{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    Bomb(name="a loop in itself", template="{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}"),
    Bomb(name="word wrap", template="{{ event.text|wordwrap(1) }}", event=LONG),
    Bomb(name="urlize, by a regular expression", template="{{ event.text|urlize }}", event={"text": "a@" * 500_000}),
    Bomb(name="striptags, by a regular expression", template="{{ event.text|striptags }}", event={"text": "<!--" * 500_000}),
    Bomb(name="replace squared", template="{{ event.text|replace('a', event.text) }}", event=LONG),
    Bomb(name="join squared", template="{{ event.text|join(event.text) }}", event=LONG),
    Bomb(name="numbers squared", template="{% set n = 99999999 %}" + "{% set n = n * n %}" * 40 + "{{ n > 1 }}"),
    Bomb(name="brackets too deep for Python", template="{{ " + "[" * 150 + "1" + "]" * 150 + "|string|length }}"),
)
# Those that only the fence stops.
BOMBS = (
    Bomb(name="loops over a long order", template=LOOPS + ENDS, event=MANY),
    Bomb(name="loops that print", template=f"{LOOPS}{{{{ a }}}} and {{{{ b }}}} and {{{{ c }}}} {ENDS}", event=MANY),
    Bomb(name="loops in loops over letters", template="{% for a in event.text %}" * 3 + "{% endfor %}" * 3, event=LONG),
    Bomb(name="a text doubled by ~", template="{% set x = event.text %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}", event=LONG),
    Bomb(name="a text doubled by +", template="{% set x = event.text %}" + "{% set x = x + x %}" * 40 + "{{ x }}", event=LONG),
    Bomb(name="a list doubled", template="{% set x = event.items %}" + "{% set x = x + x %}" * 40 + "{{ x|length }}", event=MANY),
    Bomb(
        name="lists within lists, joined to a text",
        template="{% set x = [1] %}" + "{% set x = [x, x] %}" * 40 + "{{ (x ~ '')|length }}",
    ),
    Bomb(
        name="lists within lists, compared",
        template="{% set x = [1] %}{% set y = [1] %}" + "{% set x = [x, x] %}{% set y = [y, y] %}" * 40 + "{{ x == y }}",
    ),
    Bomb(name="many conditions", template="{% if event.items %}" * 15 + LOOPS + ENDS + "{% endif %}" * 15, event=MANY),
    Bomb(
        name="sorted in loops",
        template="{% for a in event.items %}{{ event.items|sort|first }}{% endfor %}",
        event={"items": list(range(90_000))},
    ),
    Bomb(
        name="a sum in loops",
        template="{% for a in event.items %}{{ event.items|sum }}{% endfor %}",
        event={"items": list(range(50_000))},
    ),
    Bomb(
        name="more than half a megabyte",
        template="{% for a in event.items %}{{ event.text }}{% endfor %}",
        event={"items": [1] * 50, **LONG},
    ),
)

# Nothing in them is the recipient's, so they would go off as the email is compiled.
LITERAL = "{% for a in [" + "1," * 100 + "] %}"
AT_COMPILE_TIME = (
    Bomb(name="loops in loops", template=LITERAL * 6 + "{% endfor %}" * 6),
    Bomb(name="a text doubled by ~", template="{% set x = 'abcdefgh' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}"),
    Bomb(name="a text doubled by +", template="{% set x = 'abcdefgh' %}" + "{% set x = x + x %}" * 60 + "{{ x }}"),
    Bomb(name="a list doubled", template="{% set x = [1] %}" + "{% set x = x + x %}" * 60 + "{{ x|length }}"),
    Bomb(
        name="a text replaced by itself", template="{% set x = 'aaaaaaaa' %}" + "{% set x = x|replace('a', x) %}" * 20 + "{{ x }}"
    ),
    Bomb(name="a text joined by itself", template="{% set x = 'aaaaaaaa' %}" + "{% set x = x|join(x) %}" * 20 + "{{ x }}"),
    Bomb(name="a number squared", template="{% set n = 99999999 %}" + "{% set n = n * n %}" * 60 + "{{ n }}"),
    Bomb(name="lists within lists, printed", template="{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x|string }}"),
)
