"""A template compiled without its texts prints what the whole one prints."""

import pytest

from engine.render.skeleton import Skeleton
from engine.render.wire import PLAIN_TEXT


@pytest.mark.parametrize(
    "template",
    [
        "Hello\n  {%- if name %} dear {{ name }}, {% else -%}\n  there {% endif -%}  \n good day\n",
        "{% for n in names %}<b>{{ n }}</b>, \n{% endfor %}",
        "no token",
        " \n {{ name }}\u00a0{{- name -}}  x  ",
        "",
    ],
)
def test_a_text_keeps_its_place_whatever_is_around_it(template):
    values = {"name": "Ada", "names": ["Ada", "Ben"]}
    skeleton = Skeleton()

    bones = PLAIN_TEXT.from_string(skeleton.take_all(template)).render(values)

    assert skeleton.put_back(bones) == PLAIN_TEXT.from_string(template).render(values)
