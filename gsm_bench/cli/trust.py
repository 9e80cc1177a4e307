"""``gsmbench trust list|allow|forget``."""

from __future__ import annotations

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import WARNING, show_code
from gsm_bench.cli.options import format_option, print_table, registry, say, workspace_option


@click.group("trust", short_help="List, allow and forget code that workspaces may run.")
def command() -> None:
    """Code of a workspace runs only after you allowed it: for one folder, one network and the content of its files.

    Your list is kept in your configuration directory, not in the workspace.

    \b
    Example:
      gsmbench trust list
    """


@command.command("list")
@format_option
def list_code(form: str) -> None:
    """List the code that was allowed, of all workspaces, and whether its files are what they were.

    \b
    Example:
      gsmbench trust list
    """
    from gsm_bench.permissions import read_permissions
    from gsm_bench.tables.table import Column, Table

    rows = tuple(
        {
            "folder": permission.folder,
            "network": permission.network,
            "files": ", ".join(permission.files) or "an installed module",
            "state": permission.state,
            "allowed": permission.allowed,
        }
        for permission in read_permissions()
    )
    columns = (
        Column("folder", "Workspace"),
        Column("network", "Network"),
        Column("files", "Files"),
        Column("state", "State"),
        Column("allowed", "Allowed"),
    )
    print_table(Table("Code that may run", columns, (rows,), name="trust"), form)


@command.command("allow")
@click.argument("models", nargs=-1, required=True, shell_complete=completing.model_name)
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="A further Python file, as a path in the workspace, that the network imports while it runs.",
)
@workspace_option
def allow_code(models: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Allow the code of models to run until one of its files changes.

    \b
    Example:
      gsmbench trust allow mine_8f
    """
    from gsm_bench.entries import runs_named_code
    from gsm_bench.errors import TrustError
    from gsm_bench.network_code import code_of
    from gsm_bench.permissions import allow

    workspace, manifest = registry()
    for entry in [manifest.model(name) for name in models]:
        if not runs_named_code(entry.network):
            say(f"{entry.name} runs no code of this workspace")
            continue
        code = code_of(entry.network, workspace.root, also=files)
        if absent := [file for file in files if file not in code.sources]:
            fix = "write it as a path in the workspace, such as layers.py"
            raise TrustError(
                f"{absent[0]} is no Python file that {entry.name} can import", where=workspace.root, fix=fix
            )
        show_code(entry.name, code)
        allow(code)
    say(f"allowed until one of these files changes. {WARNING}")


@command.command("forget")
@click.argument("models", nargs=-1, shell_complete=completing.model_name)
@click.option("--all", "everything", is_flag=True, help="Of all workspaces, also of folders that are gone.")
@workspace_option
def forget_code(models: tuple[str, ...], everything: bool) -> None:
    """Take permissions of this workspace back: those of MODELS, or all.

    \b
    Example:
      gsmbench trust forget mine_8f
    """
    from gsm_bench.permissions import forget

    if everything:
        if models:
            raise click.UsageError("give MODELS or --all")
        forgotten = forget(lambda _: True)
    else:
        workspace, manifest = registry()
        networks = {manifest.model(name).network for name in models}
        folder = str(workspace.root)
        forgotten = forget(lambda each: each.folder == folder and (not models or each.network in networks))
    say(f"took {forgotten:,} {'permission' if forgotten == 1 else 'permissions'} back")
