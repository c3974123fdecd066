"""Reading YAML as text: nothing is converted, everything has its place, and no input does harm."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler.diagnostics import Diagnostic, Findings
from engine.compiler.reading import plain
from engine.compiler.source import Listing, Mapping, Node, Scalar, parse_source


def parsed(text: str | bytes) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    findings = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    return parse_source(data, "a.yaml", findings), findings.in_order()


@pytest.mark.parametrize("text", ["no", "NO", "12:30", "1.10", "0x1F", "~", "null", "2026-03-31", "1e3", "yes", "0777"])
def test_a_scalar_stays_as_it_was_typed(text: str) -> None:
    node, found = parsed(f"a: {text}\n")

    assert found == ()
    assert node is not None
    assert plain(node) == {"a": text}


def test_every_node_knows_its_line_and_column() -> None:
    node, _ = parsed("steps:\n  - email: welcome\n    at: 'day 3'\n")

    assert isinstance(node, Mapping)
    steps = node.entries[0][1]
    assert isinstance(steps, Listing)
    step = steps.items[0]
    assert isinstance(step, Mapping)
    (email_key, email), (_, at) = step.entries
    assert (email_key.place.line, email_key.place.column) == (2, 5)
    assert (email.place.line, email.place.column) == (2, 12)
    assert isinstance(at, Scalar)
    assert (at.place_at(4).line, at.place_at(4).column) == (3, 14)


def test_a_text_over_several_lines_is_found_where_it_begins() -> None:
    node, _ = parsed("if: >\n  employees >= 50\n  and rents\n")

    assert isinstance(node, Mapping)
    condition = node.entries[0][1]
    assert isinstance(condition, Scalar)
    assert condition.place_at(10) == condition.place


def test_a_line_that_is_indented_too_far_is_told_so() -> None:
    _, (found,) = parsed("lead:\n  first_name: Lena\n   age: 3\n")

    assert str(found).startswith("a.yaml:3:7: E004 this is not YAML: this line is indented too far")


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parsed("# nothing yet\n") == (Mapping((), Mapping((), parsed("")[0].place).place), ())  # type: ignore[union-attr]


def test_a_byte_order_mark_and_windows_line_ends_make_no_difference() -> None:
    node, found = parsed("\ufeffa: 1\r\nb: 2\r\n")

    assert found == ()
    assert node is not None
    assert plain(node) == {"a": "1", "b": "2"}


def test_a_key_given_twice_keeps_its_first_value_and_the_rest_is_read() -> None:
    node, found = parsed("a: 1\na: 2\nb: 3\n")

    assert [each.code for each in found] == ["E007"]
    assert node is not None
    assert plain(node) == {"a": "1", "b": "3"}


HOSTILE = {
    "brackets": "[" * 20_000,
    "open mappings": "{a: " * 20_000,
    "dashes": "- " * 20_000,
    "explicit keys": "? " * 20_000,
    "lines of brackets": "[\n" * 20_000,
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
    "a python object": "!!python/object/apply:os.system [ls]",
    "merge key": "a: &x {b: c}\nd: {<<: *x}",
    "an endless quote": '"' + "x" * 200_000,
    "a mapping as a key": "{a: b}: c",
    "a list as a key": "? [a]\n: b",
    "zeros": "\0" * 1000,
    "a binary": bytes(range(256)),
    "utf-16": "a: b".encode("utf-16"),
    "a megabyte": "a: b\n" * 250_000,
    "many documents": "--- a\n" * 1000,
    "a directive": "%TAG ! tag:x,2000:\n---\na: !b c",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_code_and_at_once(name: str) -> None:
    before = time.process_time()

    node, found = parsed(HOSTILE[name])

    assert node is None
    assert len(found) == 1 and found[0].is_error
    assert time.process_time() - before < 0.5


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_bytes_at_all_raise(data: bytes) -> None:
    node, found = parsed(data)

    assert node is not None or found


YAML_PIECES = st.sampled_from([*"-?:,[]{}#&*!|>'\"%@`\n \t~ab1", "\n  ", ": ", "- ", "<<", "---", "...", "é", "\x85"])


@settings(max_examples=300, deadline=None)
@given(st.lists(YAML_PIECES, max_size=60).map("".join))
def test_no_arrangement_of_yamls_signs_raises(text: str) -> None:
    node, found = parsed(text)

    assert node is not None or found
    assert all(each.line >= 1 and each.column >= 1 for each in found)
