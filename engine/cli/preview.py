"""`handraiser preview`: every mail as it would be sent, in a browser, kept as the files change; or as files and pictures."""

import sys
from pathlib import Path

import click

from engine.cli.options import counted, workspace_option
from engine.errors import UsageError
from engine.preview.app import create_preview
from engine.preview.folder import write_folder
from engine.preview.pictures import take_pictures
from engine.preview.watch import Shown, Watch, watching
from engine.processes.assemble import begin_process
from engine.processes.serving import serving
from engine.settings import Settings, read_settings


@click.command("preview")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the pages into this folder instead.")
@click.option("--png", is_flag=True, help="With --out: pictures as well, by a Chromium or Chrome of this machine.")
@workspace_option
def preview_command(out: Path | None, png: bool, workspace: Path) -> None:
    """Show every mail as it would be sent: wide and on a phone, light and dark, text, headers, size, and what is wrong with it.

    A page on this machine, following the files as you save them. Sends nothing. With --out, ends with 1 where something is wrong.

    \b
    Examples:
      handraiser preview
      handraiser preview --out pages --png
    """
    if png and out is None:
        raise UsageError("--png goes with --out DIR, which says where to put the pictures")
    settings = read_settings(workspace)
    watch = Watch(workspace, settings)
    click.echo("Compiling every mail ...", err=True)
    watch.look()
    if out is None:
        serve(watch, settings)
        return
    write_folder(watch.shown, out)
    if png:
        take(watch.shown, out)
    click.echo(f"{counted(len(watch.shown.mails), 'mail')} in {out / 'index.html'}")
    if errors := sum(found.is_error for found in watch.shown.diagnostics) or sum(
        mail.errors for mail in watch.shown.mails.values()
    ):
        click.echo(f"{counted(errors, 'error')}; see that page, or `handraiser check`", err=True)
        sys.exit(1)


def serve(watch: Watch, settings: Settings) -> None:
    stop = begin_process(settings)
    with serving(create_preview(watch), settings.preview_listen, setting="PREVIEW_LISTEN") as address, watching(watch):
        click.echo(f"The preview is at {address}/ and follows the files. Stop it with Ctrl-C.")
        stop.wait()


def take(shown: Shown, folder: Path) -> None:
    written = {str(name): mail.written for name, mail in shown.mails.items() if mail.written is not None}
    with click.progressbar(length=len(written), label="Taking pictures", file=sys.stderr) as bar:
        for _ in take_pictures(written, folder):
            bar.update(1)
