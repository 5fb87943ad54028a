"""Role, id, secret, cluster and data folder: whatever is wrong is named and explained."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from bazaar import topology
from bazaar.protocol.clients import CLIENTS
from bazaar.settings import data_folder, env
from bazaar.settings.env import SettingsError
from bazaar.topology import Role

SECRET = "s" * env.SECRET_BYTES_MIN
CATALOG = '[catalog]\nhost = "127.0.0.1"\nport = 10001\ncontrol_port = 10002\n'
DASHBOARD = "[dashboard]\nport = 8000\n"
FRONT_END = "[[front_ends]]\nport = 30001\ncontrol_port = 30002\n"
REPLICA = "[[replicas]]\nport = 20001\ncontrol_port = 21001\n"
CLUSTER = CATALOG + DASHBOARD + FRONT_END + REPLICA


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def refusal_of_cluster(tmp_path: Path, text: str | bytes) -> str:
    """Return the sentence with which a cluster description is refused."""
    path = tmp_path / "cluster.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SettingsError) as caught:
        env.read_topology({"BAZAAR_CLUSTER": str(path)})
    sentence = str(caught.value)
    assert sentence.startswith(f"BAZAAR_CLUSTER: {path}")
    return sentence


def refusal_of_secret(path: Path) -> str:
    """Return the sentence with which a secret is refused."""
    with pytest.raises(SettingsError) as caught:
        env.read_secret({"BAZAAR_SECRET_FILE": str(path)})
    sentence = str(caught.value)
    assert sentence.startswith(f"BAZAAR_SECRET_FILE: {path} ")
    assert SECRET not in sentence
    return sentence


def test_without_variables_the_shipped_cluster_is_used() -> None:
    found = env.read_topology({})
    assert (found.catalog.port, found.catalog.control_port) == (10001, 10002)
    assert [node.port for node in found.replicas] == [20001, 20002, 20003]
    assert (found.front_end(1).port, found.dashboard.port) == (30001, 8000)


def test_the_shipped_cluster_is_the_local_one_with_three_replicas() -> None:
    assert topology.load(topology.DEFAULT_PATH) == topology.local(3)
    assert topology.parse(topology.dump(topology.local(99, 99))) == topology.local(99, 99)


def test_a_process_name_names_its_role_and_every_role_has_settings_and_an_app() -> None:
    for name, node in topology.local(3, 2).nodes():
        role = topology.role_of(name)
        assert topology.process_name(role, node.id) == name
        assert (node.control_port > 0) == role.has_control_port == (role in CLIENTS)
        assert find_spec(role.settings_module)
        assert find_spec(role.app)


def test_a_worker_is_a_lease_holder_that_the_description_does_not_name() -> None:
    found = topology.local(3)
    ports = found.front_ends[0].control_port, 50_000
    ((name, node),) = found.list_workers([("127.0.0.1", port) for port in ports])
    assert (name, node.control_address) == ("worker-50000", ("127.0.0.1", 50_000))
    assert found.list_workers([("::1", ports[0])]) != [], "at another host"


def test_another_cluster_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(topology.dump(topology.local(5, 2)))
    found = env.read_topology({"BAZAAR_CLUSTER": str(path)})
    assert found == topology.local(5, 2)
    assert len(found.replicas) == 5


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "catalog"),
        ("catalog = ", "Invalid value"),
        (b"\xff", "cannot be read"),
        (CLUSTER + "color = 1\n", "color"),
        (CLUSTER.replace("host", "hots"), "hots"),
        (CLUSTER.replace(DASHBOARD, ""), "dashboard"),
        (CLUSTER.replace(REPLICA, ""), "replicas"),
        (CLUSTER.replace("port = 8000", 'port = "8000"'), "$.dashboard.port"),
        (CLUSTER.replace("port = 8000", "port = 8000.5"), "$.dashboard.port"),
        (CLUSTER.replace("port = 8000", "port = 0"), "$.dashboard.port"),
        (CLUSTER.replace("port = 8000", "port = 65536"), "$.dashboard.port"),
        (CLUSTER.replace("port = 8000", "port = true"), "$.dashboard.port"),
        (CLUSTER.replace('"127.0.0.1"', '""'), "$.catalog.host"),
        (CLUSTER.replace('"127.0.0.1"', "127"), "$.catalog.host"),
        (CLUSTER + REPLICA.replace("2", "3"), "replicas: id 1 is given twice"),
        (CLUSTER + FRONT_END, "front_ends: id 1 is given twice"),
        (CLUSTER + "[[replicas]]\nid = 0\nport = 1\ncontrol_port = 2\n", "$.replicas[1].id"),
        (CLUSTER + "[[replicas]]\nid = 100\nport = 1\ncontrol_port = 2\n", "$.replicas[1].id"),
        (CLUSTER.replace("21001", "20001"), "127.0.0.1:20001 is given to two listeners"),
        (CLUSTER.replace("30001", "10002"), "127.0.0.1:10002 is given to two listeners"),
        (CLUSTER.replace("\ncontrol_port = 21001", ""), "order-1: control_port is missing"),
        (CLUSTER.replace("control_port = 10002", "control_port = 0"), "catalog: control_port"),
        (CLUSTER.replace("control_port = 10002", "control_port = -1"), "$.catalog.control_port"),
    ],
)
def test_a_wrong_cluster_description_is_refused_with_the_place(
    tmp_path: Path, text: str | bytes, place: str
) -> None:
    assert place in refusal_of_cluster(tmp_path, text)


def test_a_cluster_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^BAZAAR_CLUSTER: .*nowhere\.toml cannot be read"):
        env.read_topology({"BAZAAR_CLUSTER": str(tmp_path / "nowhere.toml")})


def test_more_in_sync_than_there_are_replicas_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        env.read_topology({"BAZAAR_MIN_IN_SYNC": "4"})
    assert str(caught.value) == (
        "BAZAAR_MIN_IN_SYNC (4) is more than the cluster's 3 order replicas (BAZAAR_CLUSTER)."
    )
    env.read_topology({"BAZAAR_MIN_IN_SYNC": "3"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "BAZAAR_REPLICA_ID is not set"),
        ("", "BAZAAR_REPLICA_ID='' is not a number from 1."),
        ("x", "BAZAAR_REPLICA_ID='x' is not a number from 1."),
        ("-1", "BAZAAR_REPLICA_ID='-1' is not a number from 1."),
        ("1.0", "BAZAAR_REPLICA_ID='1.0' is not a number from 1."),
        ("\u0661", "BAZAAR_REPLICA_ID='\u0661' is not a number from 1."),
        ("0", "BAZAAR_REPLICA_ID: no order replica has the id 0; the cluster has 1, 2, 3"),
        ("4", "BAZAAR_REPLICA_ID: no order replica has the id 4; the cluster has 1, 2, 3"),
    ],
)
def test_a_wrong_replica_id_is_refused(text: str | None, reason: str) -> None:
    environ = {} if text is None else {"BAZAAR_REPLICA_ID": text}
    with pytest.raises(SettingsError) as caught:
        env.read_node(environ, Role.ORDER)
    assert str(caught.value).startswith(reason)


def test_each_replica_id_names_its_node() -> None:
    for number in (1, 2, 3):
        assert env.read_node({"BAZAAR_REPLICA_ID": str(number)}, Role.ORDER).id == number


@pytest.mark.parametrize("text", ["x", "2", "0"])
def test_a_wrong_front_end_id_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^BAZAAR_FRONT_END_ID"):
        env.read_node({"BAZAAR_FRONT_END_ID": text}, Role.FRONT_END)


def test_the_first_front_end_needs_no_id() -> None:
    assert env.read_node({}, Role.FRONT_END).port == 30001


@pytest.mark.parametrize("role", ["", "catalogue", "ORDER", "../catalog"])
def test_an_unknown_role_is_refused_with_the_roles_there_are(role: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env.read_role(role)
    assert repr(role) in str(caught.value)
    assert "catalog, order, frontend, dashboard" in str(caught.value)


def test_a_good_secret_is_read(secret_file: Path) -> None:
    assert env.read_secret({"BAZAAR_SECRET_FILE": str(secret_file)}) == SECRET.encode()


def test_the_secret_is_in_the_data_folder_by_default(secret_file: Path) -> None:
    assert env.read_secret({"BAZAAR_DATA_DIR": str(secret_file.parent)}) == SECRET.encode()


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    sentence = refusal_of_secret(tmp_path / "nowhere")
    assert "cannot be read (No such file or directory)" in sentence
    assert "manage.py cluster init" in sentence


@pytest.mark.parametrize("length", [0, 1, env.SECRET_BYTES_MIN - 1])
def test_a_short_secret_is_refused(secret_file: Path, length: int) -> None:
    secret_file.write_text("s" * length + "\n  ")
    assert f"holds {length} bytes; at least 32 are needed" in refusal_of_secret(secret_file)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666, 0o601])
def test_a_secret_that_others_can_read_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    assert f"mode {mode:04o}); chmod 600 it" in refusal_of_secret(secret_file)


@pytest.mark.parametrize("path", ["/tmp", "/dev/null", "/dev/zero"])  # noqa: S108
def test_a_folder_and_a_device_are_no_secret(path: str) -> None:
    assert "cannot be read: it is no file" in refusal_of_secret(Path(path))


def test_secrets_for_other_purposes_differ_from_the_clusters() -> None:
    derived = {env.derive(SECRET.encode(), role) for role in ("catalog", "order-1", "order-2")}
    assert len(derived) == 3
    assert SECRET not in derived


def test_a_data_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"^BAZAAR_DATA_DIR: the folder .*/file/var cannot be"):
        data_folder.check_folder(tmp_path / "file" / "var")


def test_a_data_folder_is_made_when_it_is_missing(tmp_path: Path) -> None:
    data_folder.check_folder(tmp_path / "new" / "deeper")
    assert (tmp_path / "new" / "deeper").is_dir()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BAZAAR_LEASES_S", "BAZAAR_LEASE_S"),
        ("BAZAAR_DATADIR", "BAZAAR_DATA_DIR"),
        ("BAZAAR_HTTP", "BAZAAR_HTTPS"),
        ("BAZAAR_DEADLINE", "BAZAAR_DEADLINE_S"),
        ("BAZAAR_MIN_INSYNC", "BAZAAR_MIN_IN_SYNC"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env.check({name: "1"})
    assert str(caught.value) == (
        f"{name} is no variable of the bazaar. Did you mean {meant}? "
        "docs/CONFIGURATION.md lists them all."
    )


def test_the_page_of_variables_lists_all_that_are_read() -> None:
    page = (env.ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8")
    limits = [env.variable(name) for name in env.Limits.__struct_fields__]
    assert {*re.findall(r"^\| `(BAZAAR_\w+)`", page, re.M)} == {*env.FLAGS, *env.OTHERS, *limits}


def test_internal_variables_and_those_of_tests_are_known() -> None:
    env.check(dict.fromkeys((*env.INTERNAL, "BAZAAR_TEST_KILLS"), "x"))


@pytest.mark.parametrize("text", ["1", "true", "True", "yes", "YES", "on"])
def test_a_flag_may_be_set_in_words(text: str) -> None:
    assert env.read_flag({"BAZAAR_HTTPS": text}, "BAZAAR_HTTPS")


@pytest.mark.parametrize("text", ["", "0", "false", "No", "OFF"])
def test_a_flag_may_be_unset_in_words(text: str) -> None:
    assert not env.read_flag({"BAZAAR_HTTPS": text}, "BAZAAR_HTTPS")


@pytest.mark.parametrize("name", env.FLAGS)
@pytest.mark.parametrize("text", ["maybe", "2", " 1", "y", "truee"])
def test_a_flag_that_is_neither_is_refused_in_every_role(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='{text}' is neither 1"):
        env.check({name: text})


@pytest.mark.parametrize("text", ["http://a.example", "a.example:80", "a b", "a.example/x"])
def test_an_allowed_host_that_can_never_match_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^BAZAAR_ALLOWED_HOSTS: .* is no host name"):
        env.check({"BAZAAR_ALLOWED_HOSTS": f"b.example, {text}"})


def test_allowed_hosts_are_read_with_spaces_between() -> None:
    text = "a.example, 10.0.0.5,[::1],.b.example,"
    found = env.read_allowed_hosts({"BAZAAR_ALLOWED_HOSTS": text})
    assert found == {"a.example", "10.0.0.5", "[::1]", ".b.example"}


@pytest.mark.parametrize("wrong", ["JSON", "xml", "1", " json"])
def test_a_wrong_form_of_log_lines_is_one_sentence(wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env.check({"BAZAAR_LOG": wrong})
    assert str(caught.value) == f"BAZAAR_LOG={wrong!r} is neither text nor json."


def test_log_lines_are_text_unless_json_is_wanted() -> None:
    assert env.read_log_style({}) == env.read_log_style({"BAZAAR_LOG": ""}) == "text"
    assert env.read_log_style({"BAZAAR_LOG": "json"}) == "json"
