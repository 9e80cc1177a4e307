"""``gsmbench doctor``: examine the machine."""

from __future__ import annotations

import click

from gsm_bench.cli.options import format_option, print_table, workspace_option


@click.group("doctor", invoke_without_command=True, short_help="Examine this machine, or the frames of a data set.")
@format_option
@workspace_option
@click.pass_context
def command(context: click.Context, form: str) -> None:
    """Show versions, cores, memory, disk, GPU, codecs and what is installed for what: paste it into a bug report.

    The home directory is written as ~. Nothing here needs torch.

    \b
    Example:
      gsmbench doctor
    """
    if context.invoked_subcommand is not None:
        return
    from gsm_bench.trust.doctor_tables import environment_table
    from gsm_bench.trust.environment import examine_environment
    from gsm_bench.workspace import Workspace

    print_table(environment_table(examine_environment(Workspace.locate(context.obj))), form)
