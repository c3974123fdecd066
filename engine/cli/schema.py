"""`handraiser schema`: what editors complete and check the workspace's files by.

Before: `engine.compiler.json_schema` makes the schemas. After: the first line of each file names its own, and an editor that
knows YAML reads it there.
"""

import json
from pathlib import Path

import click

from engine.compiler.json_schema import FILES, schema_of
from engine.whole import write_whole


@click.command("schema")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("schemas"), help="The folder. Default: schemas"
)
def schema_command(out: Path) -> None:
    """Write JSON Schemas of the workspace's files, for editors.

    The files of the starter name them in their first line. In your own files, write there for instance:
    # yaml-language-server: $schema=../schemas/cadence.json

    \b
    Example:
      handraiser schema --out my-workspace/schemas
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, (file, _) in FILES.items():
        write_whole(out / f"{name}.json", text_of(name))
        click.echo(f"{out / name}.json  for {file}")


def text_of(name: str) -> str:
    """One schema as it is written to its file."""
    return json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n"
