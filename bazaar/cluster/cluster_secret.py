"""
What the hosts of a cluster share, carried from one to another.

That is the secret, the identity, and the token that Prometheus shows (docs/adr/0049). It is text
that passes through a pipe (`ssh FIRST ... secret show | ... secret import`), so it is in no command
line and in no file besides those that it is made of.
"""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from bazaar.cluster.data_dir import DataDir, make_once
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.settings import env
from bazaar.settings.typed import manage

TEXT_CHARS_MAX = 4096


class SharedSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `secret show` prints, as TOML."""

    cluster: UUID
    secret: str
    metrics_token: str


def show_secret(data: DataDir, environ: Mapping[str, str]) -> str:
    """Return what the hosts of this folder's cluster share. Raises ClusterError, SettingsError."""
    variables = cluster_environment(data, environ)
    secret, cluster = env.read_secret(variables), env.read_cluster_id(variables)
    if cluster is None:
        init = manage("cluster", "init", data=data.root)
        raise ClusterError(f"{data.identity_path} is not there; `{init}` makes it.")
    try:
        token = data.metrics_token_path.read_text(encoding="ascii").strip()
        shown = SharedSecret(cluster, secret.decode("ascii"), token)
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(f"The secret of {data.root} cannot be shown ({error}).") from error
    return "\n".join(
        f"{name} = {msgspec.json.encode(value).decode()}"
        for name, value in msgspec.structs.asdict(shown).items()
    )


def import_secret(data: DataDir, environ: Mapping[str, str], text: str) -> list[str]:
    """
    Write what another host has shown into files here; return what was done.

    A file that is there and says the same is left. Raises ClusterError: the text is none of
    `secret show`, or this folder is of another cluster; nothing was changed then.
    """
    try:
        shared = msgspec.toml.decode(text, type=SharedSecret)
    except msgspec.MsgspecError as error:
        raise ClusterError(
            f"This is not what `cluster secret show` prints on the first host: {error}."
        ) from error
    if len(shared.secret) < env.SECRET_BYTES_MIN:
        raise ClusterError(f"The secret is shorter than {env.SECRET_BYTES_MIN} bytes.")
    data.make()
    files = {
        env.secret_path(cluster_environment(data, environ)): shared.secret,
        data.identity_path: str(shared.cluster),
        data.metrics_token_path: shared.metrics_token,
    }
    try:
        for path, line in files.items():
            if path.exists() and path.read_text(encoding="ascii").strip() != line:
                raise ClusterError(
                    f"{path} is there and says something else: this folder is of another cluster. "
                    "Move the file away, or name another folder."
                )
        made = [path for path, line in files.items() if make_once(path, line)]
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(f"The secret cannot be written ({error}).") from error
    return [f"{path} is written" for path in made] or ["nothing to do: all of it is here"]
