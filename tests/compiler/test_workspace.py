"""Compiling whole workspaces: the plan that comes out, and that nothing the marketer writes gets past as an exception."""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.compiler.plan import WorkspacePlan, from_json, structure_hash_of, to_json
from engine.compiler.workspace import compile_workspace
from engine.installed import starter_folder
from engine.render import library
from tests.compiler.workspaces import GOOD, compiled, copy_good, write
from tests.golden_files import assert_golden

HERE = Path(__file__).parent
SMALL = "title: Small\nowner: dana\ntopic: lessons\nsteps:\n"


def plan_of(folder: Path) -> WorkspacePlan:
    plan = compiled(folder).plan
    assert plan
    return plan


def test_the_plan_of_the_sound_workspace_is_as_reviewed() -> None:
    plan = json.loads(to_json(plan_of(GOOD)))

    assert_golden(HERE / "good-plan.json", json.dumps(plan, indent=1, sort_keys=True) + "\n")


def test_a_plan_comes_back_from_its_json_the_same() -> None:
    plan = plan_of(GOOD)

    assert from_json(WorkspacePlan, to_json(plan)) == plan


def test_every_hash_in_the_plan_names_an_artifact() -> None:
    result = compiled(GOOD)

    assert result.plan
    named = {step.copy.plain for cadence in result.plan.cadences for step in cadence.steps if step.kind == "email"}
    assert named | {copy.plain for copy in result.plan.emails.values()} == set(result.artifacts)
    assert all(digest == artifact.hash for digest, artifact in result.artifacts.items())


def test_comments_and_order_of_keys_do_not_change_the_plan(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    text = (folder / "leads.yaml").read_text()

    write(folder, "leads.yaml", "# fields\n" + text.replace("{type: text}", '{"type": text}  # a name'))

    assert to_json(plan_of(folder)) == to_json(plan_of(GOOD))


def test_new_words_in_a_task_keep_the_structure_and_a_new_time_does_not(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    text = (folder / "cadences/trial.yaml").read_text()
    before = plan_of(folder).cadences[0]

    write(folder, "cadences/trial.yaml", text.replace("Call {{", "Ring {{"))
    reworded = plan_of(folder).cadences[0]
    write(folder, "cadences/trial.yaml", text.replace("month 3", "month 4"))
    moved = plan_of(folder).cadences[0]

    assert structure_hash_of(reworded) == structure_hash_of(before)
    assert structure_hash_of(moved) != structure_hash_of(before)


def test_a_cadence_in_its_own_brand_sends_that_brands_artifacts(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "templates/brands/other.yaml", (folder / "templates/brands/fernhill.yaml").read_text())
    write(folder, "cadences/small.yaml", SMALL.replace("steps", "brand: other\nsteps") + "  - email: welcome\n")

    result = compiled(folder)

    assert result.plan
    small = next(cadence for cadence in result.plan.cadences if cadence.name == "small")
    step = small.steps[0]
    assert step.kind == "email"
    assert result.artifacts[step.copy.plain].brand == "other"
    assert result.plan.emails["welcome"] != step.copy


def test_the_only_brand_needs_no_mention(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "workspace.yaml", "name: Fernhill\ntopics: {lessons: {title: Lessons}}\n")

    policy = plan_of(folder).policy

    assert (policy.brand, policy.zone, policy.unknown_consent, policy.caps.per_week) == ("fernhill", "UTC", "hold", 3)


def test_a_workspace_file_alone_is_a_workspace(tmp_path: Path) -> None:
    write(tmp_path, "workspace.yaml", "name: Fernhill\nbrand: fernhill\ntopics: {lessons: {title: Lessons}}\n")
    write(tmp_path, "templates/brands/fernhill.yaml", (GOOD / "templates/brands/fernhill.yaml").read_text())

    plan = plan_of(tmp_path)

    assert (plan.cadences, plan.scoring.threshold, plan.assignment.reps) == ((), 60, {})


def test_a_folder_that_is_no_workspace_is_told_so(tmp_path: Path) -> None:
    result = compiled(tmp_path / "nowhere")

    assert [found.code for found in result.diagnostics] == ["E001"]
    assert result.plan is None


def test_a_faulty_segment_is_reported_once_and_not_where_it_is_used(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    text = (folder / "segments.yaml").read_text()

    write(folder, "segments.yaml", text.replace("employees >= 50", "employes >= 50"))

    assert [found.file for found in compiled(folder).diagnostics] == ["segments.yaml"]


def test_an_events_email_may_name_that_events_data_and_no_other(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    body = "<mj-section><mj-column><mj-text>{{ event.number }}{{ event.nubmer }}</mj-text></mj-column></mj-section>"
    for name in library.email_names(folder):
        (folder / "templates/emails" / name / "email.yaml").unlink()
    write(folder, "templates/emails/order-confirmation/email.yaml", "subject: Order\nstream: transactional\n")
    write(folder, "templates/emails/order-confirmation/body.mjml", body)
    write(folder, "templates/layouts/transactional.mjml", "<mjml><mj-body><!-- body --></mj-body></mjml>")
    (folder / "cadences/trial.yaml").unlink()

    found = compile_workspace(folder, render=library).diagnostics

    assert [(each.code, each.file) for each in found] == [("E030", "templates/emails/order-confirmation/body.mjml")]
    assert "nubmer" in found[0].message


def test_the_starter_workspace_compiles_without_a_word() -> None:
    result = compile_workspace(starter_folder(), render=library)

    assert [str(found) for found in result.diagnostics] == []
    assert result.plan and len(result.plan.cadences) >= 3


def test_two_hundred_cadences_of_thirty_steps_compile(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    for number in range(200):
        steps = "".join(
            f"  - email: guide\n    id: guide-{step}\n    at: week {step}\n"
            if step % 3
            else f"  - branch: b-{step}\n    if: employees >= {step}\n    then: [{{task: t-{step}, title: Call}}]\n"
            for step in range(24)
        )
        write(folder, f"cadences/c{number}.yaml", SMALL + steps)

    plan = plan_of(folder)

    assert sum(len(cadence.steps) for cadence in plan.cadences) > 6000


def test_an_email_whose_folder_is_no_name_is_reported(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "templates/emails/My Mail/email.yaml", "subject: Hello\n")

    assert [str(found) for found in compiled(folder).diagnostics] == [
        'templates/emails/My Mail/email.yaml:1:1: E009 "My Mail" '
        "cannot be a name: begin with a small letter, go on with a-z, 0-9, - and _"
    ]


def test_a_file_whose_name_is_no_text_is_reported_in_signs_that_print(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    (folder / "cadences" / "caf\udce9\n.yaml").write_text("title: x\n")

    found = compiled(folder).diagnostics

    assert [(each.code, each.file) for each in found] == [("E009", "cadences/caf??.yaml")]


WORDS = st.sampled_from(
    ["email", "wait", "branch", "task", "goal", "if", "for", "then", "else", "steps", "title", "at", "after", "timeout",
     "id", "exits", "window", "days", "from", "to", "gap", "topic", "owner", "brand", "fields", "events", "segments",
     "points", "profile", "rules", "reps", "offers", "topics", "caps", "type", "choices", "of", "data", "sample", "name",
     "welcome", "day 3", "10 days", "employees >= 50", "clicked('guide')", "mon", "09:00", "choice", "list-of", "", "é",
     "{{ lead.", "{{ ((((", "{x", "purchased(", "2", "-1", "1e9", "text", "order_placed", "replied", "dana", "lessons"]
)  # fmt: skip
TREES = st.recursive(
    WORDS | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)
FILES = st.sampled_from(
    ["workspace.yaml", "leads.yaml", "events.yaml", "segments.yaml", "scoring.yaml", "assignment.yaml", "offers.yaml",
     "cadences/trial.yaml", "templates/brands/fernhill.yaml"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=FILES, tree=TREES, top=WORDS)
def test_no_file_makes_the_compiler_raise(file: str, tree: object, top: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, file, yaml.safe_dump({top: tree, "steps": tree}, allow_unicode=True))

    result = compiled(folder)

    assert (result.plan is None) == any(found.is_error for found in result.diagnostics)
    assert all(str(found).startswith(f"{found.file}:{found.line}:") for found in result.diagnostics)


@pytest.mark.parametrize("key", ["if", "title"])
def test_a_text_of_brackets_is_an_error_and_no_exception(key: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    step = {"if": "- {goal: g, if: '%s'}", "title": "- {task: t, title: '{{ %s }}'}"}[key] % ("(" * 5000)
    write(folder, "cadences/small.yaml", SMALL + f"  {step}\n")

    assert [found.code for found in compiled(folder).diagnostics] == [{"if": "E023", "title": "E038"}[key]]


def test_whoever_answers_for_an_email_must_be_a_rep(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    name = library.email_names(folder)[0]
    email = folder / f"templates/emails/{name}/email.yaml"
    email.write_text(email.read_text(encoding="utf-8").replace("owner: dana", "owner: bob"), encoding="utf-8")

    [found] = compiled(folder).diagnostics

    assert (found.code, found.file) == ("E021", f"templates/emails/{name}/email.yaml")


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    os.mkfifo(folder / "cadences/pipe.yaml")

    found = [str(each) for each in compiled(folder).diagnostics]

    assert "cadences/pipe.yaml:1:1: E001 this is a pipe or a device, not a file" in found
