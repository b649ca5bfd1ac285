# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app of ``runtime: systemd`` on a server of its own, in the order of its life. Needs the test bed.

Its releases are tags of a repository that the server's own sshd gives out to a deploy key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from testbed.outside import INVENTORY, Server, Visitors, bed, recap, run, wait_for

HERE = Path(__file__).parent
NAME = "t-units"
DOMAIN = "club.example"
NASTY = 'no\'such "thing" as $HOME ${PATH} $$ `id` \\ #1\nand a second line\t%n'
TAGS = ("v1", "v2", "unhealthy", "crashing", "bad-migration", "bad-build")
GIT = """
useradd --system --create-home --shell /usr/bin/git-shell git
install -d -o git -g git /srv-git /home/git/.ssh
printf '%s\\n' "$(cat)" > /home/git/.ssh/authorized_keys
chown git:git /home/git/.ssh/authorized_keys
"""


class Club(Server):
    """A test server with the club, as its operator and as the world reach it."""

    def site(self, *options: str, **variables: Any) -> str:
        return self.play(HERE / "site.yml", *options, **variables)

    def release(self, tag: str, **variables: Any) -> str:
        return self.site("--tags", "release", club_release=tag, **variables)

    def get(self, path: str, **query: str) -> httpx.Response:
        with httpx.Client(verify=False, timeout=20) as http:  # the certificate is the temporary one
            url = f"https://{self.address}{path}"
            return http.get(url, params=query, headers={"Host": DOMAIN}, extensions={"sni_hostname": DOMAIN})

    def api(self, path: str, **query: str) -> Any:
        return self.get(f"/api/{path}", **query).json()

    def serving(self) -> str:
        release = str(self.api("health")["release"])
        assert f"This is {release}." in self.get("/").text
        return release

    def visitors(self) -> Visitors:
        def ask(path: str) -> None:
            assert self.get(path).status_code == 200

        return Visitors(lambda: ask("/"), lambda: ask("/api/health"))

    def units(self) -> list[str]:
        return self.shell("cd /etc/systemd/system; ls club-*.service 2>/dev/null || true").split()

    def exposure(self, unit: str) -> float:
        return float(self.shell(f"systemd-analyze security --no-pager {unit} | tail -1").split(": ")[1].split()[0])

    def slot(self) -> str:
        [slot] = {unit.split("-")[1] for unit in self.units()}
        return slot

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.shell("cat /var/lib/mainstay/app_stack/club.json")))


def changed(output: str) -> int:
    return recap(output)["changed"]


def give_out(server: Server, folder: Path) -> str:
    """Put the club's tags into a repository on the server; returns the private key that may read it."""
    work, key = folder / "club", folder / "key"
    git = ["git", "-C", str(work), "-c", "user.name=test", "-c", "user.email=test@club.example"]
    run("cp", "-r", str(HERE / "club"), str(work))
    run(*git, "init", "--quiet", "--initial-branch=main")
    for tag in TAGS:
        (work / "RELEASE").write_text(f"{tag}\n")
        run(*git, "add", ".")
        run(*git, "commit", "--quiet", "--message", tag)
        run(*git, "tag", tag)
    run(*git, "bundle", "create", str(folder / "bundle"), "--all")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    server.shell("apt-get update -qq && apt-get install -y -qq git >/dev/null")
    server.shell(GIT, stdin=(folder / "key.pub").read_text())
    run("docker", "cp", str(folder / "bundle"), f"{NAME}:/srv-git/bundle")
    clone = "runuser -u git -- git clone --quiet --bare /srv-git/bundle /srv-git/club.git"
    server.shell(f"chmod 644 /srv-git/bundle; {clone}")
    return key.read_text()


both = pytest.mark.parametrize("server", ["trixie", "bookworm"], indirect=True, scope="module")
one = pytest.mark.parametrize("server", ["trixie"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    bed("server", "down", NAME)
    bed("server", "up", NAME, "--release", request.param)
    folder = tmp_path_factory.mktemp("club")
    key = give_out(Server(NAME), folder)
    variables = folder / "hosts.yml"
    variables.write_text(yaml.safe_dump({"units": {"vars": {"club_deploy_key": key}}}))
    yield Club(NAME, *INVENTORY, "-i", str(HERE / "inventory.yml"), "-i", str(variables))
    bed("server", "down", NAME)


@both
def test_a_bare_server_is_told_what_would_happen(server: Club) -> None:
    said = server.site("--check", "--diff")
    assert "release v1-" in said
    assert "databases: start them" in said
    assert server.units() == []
    assert server.shell("getent passwd app-club; ls /srv", check=False) == ""


@both
def test_the_first_release_and_a_second_run(server: Club) -> None:
    said = server.site("-vvv", "--diff")
    assert server.serving() == "v1"
    for form in (NASTY, json.dumps(NASTY)[1:-1], repr(NASTY)[1:-1], "OPENSSH PRIVATE KEY"):
        assert form not in said
    again = server.site()
    assert changed(again) == 0, again
    assert changed(server.site("--check", "--diff")) == 0


@both
def test_variables_arrive_as_they_are_and_nowhere_else(server: Club) -> None:
    environment = server.api("environment")
    assert environment["NASTY"] == NASTY
    assert environment["GREETING"] == '100% "plain" `text` \\ for $HOME'
    assert environment["BACKEND_URL"] == f"http://{environment['HOST']}:{environment['PORT']}"
    clock = server.shell("tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID 'club-*-clock.service')/environ")
    assert "TOKEN=" not in clock
    assert server.shell("find /srv/club -name '*.env' -perm /077; find /srv/club -name deploy_key -perm /077") == ""
    assert "postgres-of-a-test-server" not in server.shell("systemctl cat 'club-*'; systemctl show 'club-*'")
    for path in ("/srv/club/releases", "/srv/club/wanted", "/srv/club/data"):
        assert "denied" in server.shell(f"runuser -u nobody -- ls {path} 2>&1", check=False)


@both
def test_a_unit_is_alone(server: Club) -> None:
    around = server.api("around")
    uid = int(server.shell("id -u app-club"))
    assert around["user"] == [uid, uid, [uid]]
    assert 50000 <= uid < 59000
    assert not {"home", "opt", "boot", "srv-git"} & set(around["root"])
    assert not {"shadow", "ssh", "mainstay", "nginx", "letsencrypt"} & set(around["etc"])
    for act in ("write /app", "write /usr", "sudo", "mount", "namespace"):
        assert "Error" in around[act], act
    assert around["write /tmp"] == "1"
    assert not Path("/tmp/good").exists()
    assert server.shell("ls /tmp/good", check=False) == ""


@both
def test_a_unit_is_graded(server: Club) -> None:
    for unit in server.units():
        assert server.exposure(unit) <= 1.0, unit


@both
def test_a_unit_has_its_limits(server: Club) -> None:
    shown = server.shell("systemctl show -p MemoryMax -p CPUQuotaPerSecUSec -p TasksMax 'club-*-backend.service'")
    assert set(shown.splitlines()) == {f"MemoryMax={128 << 20}", "CPUQuotaPerSecUSec=500ms", "TasksMax=256"}
    backend = f"club-{server.slot()}-backend.service"
    with pytest.raises(httpx.HTTPError):
        server.get("/api/eat").raise_for_status()
    # In a container systemd may learn of the signal alone.
    assert "status=9/KILL" in server.shell(f"journalctl -u {backend} --output cat --no-pager")
    wait_for("the backend", lambda: server.api("health").get("release") == "v1", timeout=30)
    with pytest.raises(httpx.HTTPError):
        server.get("/api/die").raise_for_status()
    assert "This is v1." in server.get("/").text, "pages are served without a backend"
    wait_for("the backend", lambda: server.api("health").get("release") == "v1", timeout=30)


@both
def test_what_is_uploaded_outlives_releases(server: Club) -> None:
    assert server.api("upload", name="photo", text="a photo") == 7
    assert server.api("join", name="Ada") == 1
    with server.visitors() as visitors:
        server.release("v2")
    assert server.serving() == "v2"
    assert len(visitors.answers) > 20
    assert visitors.failures == []
    assert server.api("health")["members"] == 1
    assert server.shell("stat -c %U /opt/app-data/club/uploads/photo") == "app-club"
    assert changed(server.release("v2")) == 0


@both
def test_there_are_never_two_of_a_singleton(server: Club) -> None:
    ticks = [line.split()[1] for line in server.shell("cat /opt/app-data/club/uploads/ticks").splitlines()]
    order = list(dict.fromkeys(ticks))
    changes = sum(one != two for one, two in pairwise(ticks))
    assert len(order) >= 2
    assert changes == len(order) - 1


@one
@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("unhealthy", ["unhealthy was refused; v2 serves as before", "/api/health answered 503"]),
        ("crashing", ["crashing was refused; v2 serves as before", "backend stopped with exit code 1", "cannot start"]),
        ("bad-migration", ["migrate (run: before_release) ended with exit code 1", "fails on purpose"]),
        ("bad-build", ["the build of bad-build ended with exit code 3", "v2 serves as before", "fails on purpose"]),
        ("no-such-tag", ["has no tag or branch 'no-such-tag'", "Nothing was changed; v2-"]),
    ],
    ids=["unhealthy", "crashing", "bad migration", "bad build", "no such tag"],
)
def test_a_bad_release_is_refused(server: Club, tag: str, expected: list[str]) -> None:
    with server.visitors() as visitors:
        said = server.release(tag, check=False)
    for part in expected:
        assert part in said, said[-3000:]
    assert "postgres-of-a-test-server" not in said
    assert visitors.failures == []
    assert server.serving() == "v2"
    assert {unit.split("-")[1] for unit in server.units()} == {server.slot()}
    assert server.state["candidate"] is None
    assert server.shell("systemctl list-units --failed --no-legend 'club-*'") == ""


@one
def test_a_wrong_key_is_refused_and_not_shown(server: Club, tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "wrong"))
    wrong = (tmp_path / "wrong").read_text()
    said = server.release("v1", check=False, club_deploy_key=wrong)
    assert "cannot be fetched" in said
    assert "Permission denied" in said
    assert wrong.splitlines()[2] not in said
    assert server.serving() == "v2"
    server.release("v2")


@one
def test_rollback_and_what_follows(server: Club) -> None:
    with server.visitors() as visitors:
        server.play("playbooks/rollback.yml", app="club")
    assert visitors.failures == []
    assert server.serving() == "v1"
    again = server.release("v2")
    assert "was rolled back" in again
    assert changed(again) == 0
    server.release("v2", app_stack_force=True)
    assert server.serving() == "v2"


@one
def test_another_variable_is_another_release_of_the_same_build(server: Club) -> None:
    builds = server.shell("ls /srv/club/builds")
    server.release("v2", club_token="another-token-of-a-test-server")
    assert server.api("environment")["TOKEN"] == "another-token-of-a-test-server"
    assert server.shell("ls /srv/club/builds") == builds


@one
def test_a_secret_is_rotated(server: Club) -> None:
    started = server.shell("systemctl show -P ActiveEnterTimestamp 'club-*-clock.service'")
    rotated = {"club_release": "v2", "club_token": "a-rotated-token-of-a-test-server"}
    said = server.play("playbooks/rotate.yml", app="club", secret="TOKEN", **rotated)
    assert "restarted             backend" in said
    assert server.api("environment")["TOKEN"] == rotated["club_token"]
    assert server.shell("systemctl show -P ActiveEnterTimestamp 'club-*-clock.service'") == started
    rotated["club_postgres"] = "postgres-of-tomorrow-here"
    server.play("playbooks/rotate.yml", app="club", secret="postgres", **rotated)
    assert server.api("health")["members"] == 1
    assert "postgres-of-a-test-server" not in server.shell(
        "grep -rh . /srv/club/releases/*/env /srv/club/wanted/release/env"
    )
    assert changed(server.site("--tags", "release", **rotated)) == 0
    del rotated["club_postgres"]
    server.play("playbooks/rotate.yml", app="club", secret="postgres", **rotated)
    assert changed(server.site("--tags", "release", **rotated)) == 0


@one
def test_what_is_gone_is_started_again(server: Club) -> None:
    server.shell("systemctl stop 'club-*-backend.service'")
    server.release("v2", club_token="a-rotated-token-of-a-test-server")
    assert server.serving() == "v2"


@one
def test_an_archive_in_place_of_a_repository(server: Club) -> None:
    server.shell(
        "cd /tmp && git clone --quiet --branch v2 /srv-git/bundle club-v3 && echo v3 > club-v3/RELEASE && "
        "tar --exclude .git -czf club-v3.tar.gz club-v3"
    )
    digest = server.shell("sha256sum /tmp/club-v3.tar.gz").split()[0]
    archive = {"archive": "file:///tmp/club-{release}.tar.gz", "checksum": f"sha256:{'0' * 64}"}
    said = server.release("v3", check=False, club_source=archive)
    assert f"its SHA-256 is {digest}" in said
    assert server.serving() == "v2"
    server.release("v3", club_source={**archive, "checksum": f"sha256:{digest}"})
    assert server.serving() == "v3"
    assert changed(server.release("v3", club_source={**archive, "checksum": f"sha256:{digest}"})) == 0
    assert "cannot be fetched" in server.release("v4", check=False, club_source=archive)
    server.release("v2")


@one
def test_the_whole_site_keeps_units_from_containers_and_the_cloud(server: Club) -> None:
    asked = "docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' club-data-postgres-1"
    postgres = {"host": server.shell(asked), "port": "5432"}
    assert server.api("reach", **postgres) == "reached", "without the wall nothing is proven"
    # No authority knows the club's name.
    site = ("site.yml", "--skip-tags", "certbot")
    variables = {"hardening_profile": "strict", "club_release": "v2"}
    server.play(*site, **variables)
    assert changed(server.play(*site, **variables)) == 0
    assert "timed out" in server.api("reach", **postgres)
    assert "timed out" in server.api("reach", host="169.254.169.254", port="80")
    assert server.serving() == "v2"
    for unit in server.units():
        assert server.exposure(unit) <= 1.0, unit


@one
def test_data_comes_back_while_units_wait(server: Club) -> None:
    release = {"club_release": server.serving()}
    before = server.api("health")["members"]
    server.play("playbooks/backup.yml", **release)
    assert server.api("join", name="Grace") == before + 1
    server.shell("echo lost > /opt/app-data/club/uploads/photo")
    backend = f"systemctl show -P ActiveEnterTimestampMonotonic club-{server.slot()}-backend.service"
    started = server.shell(backend)
    for database, pattern in (("postgres", "pg-backup*"), ("uploads", "*uploads*")):
        found = (
            f"find /var/backups/mainstay -type f -name '{pattern}' | grep -v -e manifest -e restore.sh | sort | tail -1"
        )
        file = {"database": database, "file": server.shell(found)}
        server.play("playbooks/restore.yml", app="club", **release, **file)
    assert server.shell(backend) != started, "nothing writes while data is replaced"
    assert server.api("health")["members"] == before
    assert server.shell("cat /opt/app-data/club/uploads/photo") == "a photo"
    assert server.shell("stat -c %U /opt/app-data/club/uploads/photo") == "app-club"
    assert changed(server.release(release["club_release"])) == 0


@both
def test_it_is_all_there_after_a_reboot(server: Club) -> None:
    serving, units = server.serving(), server.units()
    bed("server", "reboot", NAME)
    wait_for("the app", lambda: server.api("health").get("release") == serving, timeout=90)
    assert server.units() == units
    assert server.api("health")["members"] == 1
    assert changed(server.release(serving)) == 0


@both
def test_absent(server: Club) -> None:
    gone = {"app_stack_state": "absent", "app_stack_projects": [{"app": "club"}]}
    server.play(HERE / "absent.yml", **gone)
    assert server.units() == []
    assert server.shell("ls -A /srv; ls -A /run/systemd/system | grep club", check=False) == ""
    assert "uploads" in server.shell("ls /opt/app-data/club")
    server.play(HERE / "absent.yml", **gone, app_stack_purge_data=True)
    assert (
        server.shell("getent passwd app-club; ls -A /etc/sysusers.d /opt/app-data", check=False).split("\n")[-1] != "x"
    )
    assert "app-club" not in server.shell("getent passwd")
    assert changed(server.play(HERE / "absent.yml", **gone)) == 0
