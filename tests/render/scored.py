"""What strangers make of the starter's mails: SpamAssassin of each message, and a checker of client support of each design, which
the official MJML compiler gets to compile as well.

    python -m tests.render.scored --npm FOLDER

SpamAssassin is Debian's package `spamassassin`, asked without its network tests. FOLDER is where
`npm install mjml caniemail` was run; without it, only SpamAssassin is asked. Ends with 1 where a mail scores 1.0 or more, or
where it has more that a family of mail programs does not show than the official compiler's.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import PIPE, run

from engine.compiler.workspace import compile_workspace
from engine.installed import starter_folder
from engine.languages import USUAL
from engine.preview.mails import Workspace, workspace_of
from engine.render import library
from engine.render.afresh import HOLD, compile_afresh
from engine.render.artifact import Artifact
from engine.render.names import ROOTS
from engine.render.phrases import read_phrases
from engine.render.problems import Problems
from engine.render.sample import sample_values
from engine.render.wire import render
from engine.settings import read_settings

MOST = 1.0
SCORE = re.compile(r"^X-Spam-Status: \S+ score=(-?[\d.]+) required=[\d.]+\s+tests=(.*?)\s+autolearn", re.MULTILINE | re.DOTALL)
# Mail goes through the operator's relay, which is the only thing that the reader's server sees.
RECEIVED = (
    b"From - Mon Jan  5 09:00:03 2026\n"
    b"Received: from mail.clearroom.example (mail.clearroom.example [93.184.216.34])\n"
    b"\tby mx.reader.example with ESMTPS id 4Xz; Mon, 05 Jan 2026 09:00:02 +0000\n"
    b"Received: from worker.clearroom.example (worker.clearroom.example [93.184.216.35])\n"
    b"\tby mail.clearroom.example with ESMTPSA id 4Xy; Mon, 05 Jan 2026 09:00:01 +0000\n"
)
ENVIRON = {
    "HANDRAISER_SECRET_KEY": "a" * 40,
    "HANDRAISER_PUBLIC_URL": "https://mail.clearroom.example",
    "HANDRAISER_REPLY_DOMAIN": "reply.clearroom.example",
}
# Reads {name: {ours, mjml}}, writes {name: [[family, ours, theirs, what only ours has], …]}.
CHECKER = """
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const load = createRequire(process.cwd() + '/');
const { caniemail } = load('caniemail');
const compile = load('mjml').default ?? load('mjml');
const missing = (html, family) => {
  const { errors, warnings } = caniemail({ clients: [family + '.*'], html }).issues;
  return new Set([errors, warnings].flatMap(kind => [...kind].flatMap(
    ([client, issues]) => issues.map(issue => `${issue.title} (${issue.support}) in ${client}`))));
};
const told = {};
for (const [name, { ours, mjml }] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
  const { html, errors } = await compile(mjml, { validationLevel: 'soft', keepComments: false });
  if (errors.length) console.error(name, errors.map(each => each.formattedMessage));
  told[name] = ['gmail', 'outlook', 'apple-mail', 'yahoo'].map(family => {
    const [mine, theirs] = [missing(ours, family), missing(html, family)];
    return [family, mine.size, theirs.size, [...mine].filter(each => !theirs.has(each))];
  });
}
console.log(JSON.stringify(told));
"""


def main(npm: Path | None) -> int:
    compiled = compile_workspace(starter_folder(), render=library)
    assert compiled.plan is not None and compiled.files is not None, compiled.diagnostics
    workspace = workspace_of(starter_folder(), read_settings(starter_folder(), ENVIRON), compiled.files)
    artifacts = {name: compiled.artifacts[copy.plain] for name, copy in compiled.plan.emails.items()}
    is_fine = all([tell_spam(workspace, artifacts), tell_support(workspace, artifacts, npm) if npm else True])
    return 0 if is_fine else 1


def tell_spam(workspace: Workspace, artifacts: Mapping[str, Artifact]) -> bool:
    """Print the score of every message with the rules that it hit. Whether all are below the most."""
    messages = (workspace.message(artifact, "sample").replace(b"\r\n", b"\n") for artifact in artifacts.values())
    found = dict(zip(artifacts, scores_of(b"\n".join(RECEIVED + message for message in messages)), strict=True))
    for name, (score, rules) in found.items():
        print(f"{score:5.1f}  {name}  {rules}")
    highest = max(score for score, _ in found.values())
    print(f"SpamAssassin: {len(found)} mails, the highest score is {highest}\n")
    return highest < MOST


def scores_of(mbox: bytes) -> list[tuple[float, str]]:
    told = run(["spamassassin", "--local", "--mbox"], input=mbox, capture_output=True, check=True).stdout
    found = SCORE.findall(told.decode(errors="replace"))
    return [(float(score), re.sub(r"\s+", "", rules).replace(",", " ")) for score, rules in found]


def tell_support(workspace: Workspace, artifacts: Mapping[str, Artifact], npm: Path) -> bool:
    """Print what the families of mail programs lack of our HTML and of the official compiler's. Whether ours lack no more."""
    asked = json.dumps({name: in_both_forms(workspace, artifact) for name, artifact in artifacts.items()})
    with tempfile.NamedTemporaryFile("w", suffix=".mjs", dir=npm) as script:
        script.write(CHECKER)
        script.flush()
        answered = run(["node", script.name], input=asked, stdout=PIPE, check=True, text=True, cwd=npm)
    told: dict[str, list[tuple[str, int, int, list[str]]]] = json.loads(answered.stdout)
    for line in lines_of(told):
        print(line)
    return all(ours <= theirs for families in told.values() for _, ours, theirs, _ in families)


def in_both_forms(workspace: Workspace, artifact: Artifact) -> dict[str, str]:
    """Our HTML, and the MJML from which it comes with the same values in it."""
    folder = workspace.folder / f"templates/emails/{artifact.email}/sample.yaml"
    values = sample_values(artifact, folder, workspace.tables)
    problems = Problems()
    known = library.Tables(workspace.tables.policy.brands, read_phrases(workspace.folder, problems), ROOTS, USUAL)
    afresh = library.compile_email(workspace.folder, artifact.email, artifact.brand, known, problems, afresh=True)
    assert afresh is not None, problems.in_order()
    mjml = compile_afresh(afresh.plain.html).render(
        {**values, HOLD: lambda value: str(value).replace("&", "&amp;").replace("<", "&lt;")}
    )
    return {"ours": render(artifact, values).html, "mjml": mjml}


def lines_of(told: Mapping[str, list[tuple[str, int, int, list[str]]]]) -> Iterator[str]:
    """One line a family, over all mails, and what only ours lack."""
    for at, (family, *_) in enumerate(next(iter(told.values()))):
        ours, theirs = (sum(families[at][which] for families in told.values()) for which in (1, 2))
        only = sorted({each for families in told.values() for each in families[at][3]})
        worse = sum(families[at][1] > families[at][2] for families in told.values())
        lacking = f"; only ours: {', '.join(only)}" if only else ""
        yield f"{family:<12} ours {ours:,}, mjml {theirs:,}; {worse} mails worse{lacking}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npm", type=Path, help="where `npm install mjml caniemail` was run")
    sys.exit(main(parser.parse_args().npm))
