"""
The supervisor's configuration: one program for each process of the cluster.

The file holds no path: the supervisor takes paths from variables of its environment. So no folder
name with a percent sign, a quote or a comment sign in it can change what the file means.
"""

import resource
import shlex
import sys
from collections.abc import Mapping

from bazaar.cluster.data_dir import DataDir, write_whole
from bazaar.cluster.parent_death import wrap_command
from bazaar.settings import private
from bazaar.topology import Node, role_of

PROGRAM = "bazaar.cluster.supervisord"
"""The module that is the supervisor."""
GROUP = "bazaar"
"""One group for all programs, so that the supervisor stops them at the same time."""
STOP_WAIT_S = 4
"""How long a process may take to end before it is killed; longer than a server's own limit."""
LOG_BYTES_MAX = "5MB"
LOG_BACKUPS = 2
FILES_MAX = 4096
"""Open files of a process: connections in and out, databases, logs."""

_HEAD = """\
; Written by `manage.py cluster up`; changes are lost. See bazaar/cluster/supervisor_config.py.
[unix_http_server]
file = %(ENV_BAZAAR_SOCKET)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
nodaemon = true
silent = true
identifier = bazaar
pidfile = %(ENV_BAZAAR_DATA_DIR)s/supervisord.pid
logfile = %(ENV_BAZAAR_DATA_DIR)s/logs/supervisord.log
logfile_maxbytes = {log_bytes}
logfile_backups = {log_backups}
minfds = {files}

[group:{group}]
programs = {names}
"""
_PROGRAM = """
[program:{name}]
command = %(ENV_BAZAAR_PYTHON)s -m bazaar.cluster.launch {role} --id {id} --server {server}
autostart = false
{restart}
stopsignal = TERM
stopasgroup = true
killasgroup = true
stopwaitsecs = {stop_wait}
redirect_stderr = true
; This one is expanded twice.
stdout_logfile = %%(ENV_BAZAAR_DATA_DIR)s/logs/{name}.log
stdout_logfile_maxbytes = {log_bytes}
stdout_logfile_backups = {log_backups}
"""
_STAYS_DOWN = "autorestart = false\nstartsecs = 0\nstartretries = 0"
# Status 2 is the launcher's refusal: trying again would not help.
_COMES_BACK = "autorestart = unexpected\nexitcodes = 0,2\nstartsecs = 1\nstartretries = 5"


def write_config(
    data: DataDir, nodes: Mapping[str, Node], server: str, *, is_restarting: bool = False
) -> None:
    """
    Write the configuration.

    nodes: those of this host, by name. is_restarting: a process that dies is started again.
    """
    names = ",".join(nodes)
    limits = {"log_bytes": LOG_BYTES_MAX, "log_backups": LOG_BACKUPS}
    head = _HEAD.format(group=GROUP, names=names, files=_files_max(), **limits)
    restart = _COMES_BACK if is_restarting else _STAYS_DOWN
    programs = (
        _PROGRAM.format(
            name=name,
            role=role_of(name),
            id=node.id,
            server=server,
            restart=restart,
            stop_wait=STOP_WAIT_S,
            **limits,
        )
        for name, node in nodes.items()
    )
    write_whole(data.config_path, head + "".join(programs), private.FILE_MODE)


def _files_max() -> int:
    """Return FILES_MAX, or what the system allows when that is less."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)


def supervisor_environment(data: DataDir, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the supervisor, which its programs inherit."""
    return {
        "BAZAAR_FAULT_BUTTONS": "1",  # by default, a cluster on one machine may be broken
        **cluster_environment(data, environ),
        "BAZAAR_SOCKET": str(data.socket_path),
        "RUST_BACKTRACE": "0",  # the reason of a crash stays among the last lines of the log
        "BAZAAR_PYTHON": shlex.quote(sys.executable),
    }


def cluster_environment(data: DataDir, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every process of a data folder's cluster."""
    return {
        **environ,
        "BAZAAR_DATA_DIR": str(data.root),
        "BAZAAR_CLUSTER": str(data.topology_path),
    }


def role_environment(
    data: DataDir, name: str, node: Node, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a command that runs in the settings of a process."""
    role = role_of(name)
    found = cluster_environment(data, environ)
    found["DJANGO_SETTINGS_MODULE"] = role.settings_module
    if role.id_variable:
        found[role.id_variable] = str(node.id)
    return found


def supervisor_command(data: DataDir) -> list[str]:
    """Return the command line of the supervisor, which ends with this process."""
    return wrap_command([sys.executable, "-m", PROGRAM, "-c", str(data.config_path)])
