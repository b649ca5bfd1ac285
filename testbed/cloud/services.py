# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services around the servers, each a container with a fixed address and name on the bed's network."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import uuid4

import bcrypt
import yaml

from testbed.cloud import authority, images
from testbed.cloud.docker import LABEL, BedError, digest, docker, inspect
from testbed.cloud.places import (
    ACCOUNT,
    ADDRESSES,
    BUCKET,
    CONTAINER,
    DYNAMIC,
    GATEWAYS,
    INVENTORY,
    MIRROR_PORT,
    MODULES,
    NETWORK,
    REGISTRY_PORT,
    SECRETS,
    STATE,
    SUBNETS,
    WEED,
)

REGISTRY_USER = "snippetly"
ACME_ROOT = STATE / "acme-root.pem"
PACKAGE_KEY = STATE / "docker-apt-key.asc"
DNS = f"http://{ADDRESSES['acme.test']}:8055"

PEBBLE = (
    'pebble-challtestsrv -defaultIPv4 "" -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" -doh "" '
    "-dns01 :8053 -management :8055 & exec pebble -config /etc/bed/pebble.json -dnsserver 127.0.0.1:8053"
)
AZURITE = (
    "exec node /opt/node_modules/azurite/dist/src/blob/main.js --disableTelemetry --skipApiVersionCheck "
    "--disableProductStyleUrl --silent --location /data --blobHost 0.0.0.0 "
    "--cert /etc/bed/cert.pem --key /etc/bed/key.pem"
)
# Volumes are small, for a bed has little room, and what SeaweedFS can do beyond S3 is off.
WEED_SERVER = (
    "exec /usr/local/bin/weed -logtostderr=true server -dir=/data -ip=127.0.0.1 -ip.bind=0.0.0.0 -volume.max=0 "
    "-master.volumeSizeLimitMB=128 -s3 -s3.port=8333 -s3.port.iceberg=0 -s3.port.lance=0 -s3.autoCreateBucket=false "
    "-s3.config=/etc/bed/s3.json -s3.cert.file=/etc/bed/cert.pem -s3.key.file=/etc/bed/key.pem"
)
# What each identity of the S3 service may do; the owner may do everything.
READER = (
    *("GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"),
    *("GetBucketVersioning", "GetBucketObjectLockConfiguration"),
)
S3_RIGHTS = {
    "writer": ("PutObject",),
    "reader": READER,
    "pruner": (*READER, "DeleteObject", "DeleteObjectVersion", "AbortMultipartUpload"),
}


@dataclass(frozen=True)
class Service:
    """One container: what it runs, the port that tells it is up, and the files it reads at ``/etc/bed``."""

    name: str
    command: str
    port: int
    config: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    tls: bool = False
    image: Callable[[], str] = field(default=images.services, repr=False)


def registry_config(name: str) -> dict[str, object]:
    """A registry's configuration: the mirror is open, the private one asks for TLS and a password."""
    http: dict[str, object] = {"addr": ":5000"}
    config: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": "/data"}, "delete": {"enabled": True}},
        "http": http,
    }
    if name == "registry.test":
        http["tls"] = {"certificate": "/etc/bed/cert.pem", "key": "/etc/bed/key.pem"}
        config["auth"] = {"htpasswd": {"realm": "private", "path": "/etc/bed/htpasswd"}}
    return config


def htpasswd() -> str:
    """The private registry's password file; the hash is kept, since bcrypt salts it anew each time."""
    path = STATE / "htpasswd"
    if not path.exists():
        password = authority.secret("registry").encode()
        authority.write(path, f"{REGISTRY_USER}:{bcrypt.hashpw(password, bcrypt.gensalt(10)).decode()}\n".encode())
    return path.read_text()


def s3_config() -> dict[str, object]:
    """Who may do what in the S3 service: by policies, as on AWS."""
    places = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    policies = {
        name: {"Effect": "Allow", "Action": [f"s3:{right}" for right in rights], "Resource": places}
        for name, rights in S3_RIGHTS.items()
    }
    return {
        "identities": [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": authority.secret(f"s3_{name}")}],
                **({"policyNames": [name]} if name in policies else {"actions": ["Admin", "Read", "Write", "List"]}),
            }
            for name in ("owner", *policies)
        ],
        "policies": [
            {"name": name, "content": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
            for name, statement in policies.items()
        ],
    }


def table() -> list[Service]:
    """Every service of the bed."""
    pebble = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/bed/cert.pem",
        "privateKey": "/etc/bed/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "retryAfter": {"authz": 1, "order": 1},
        "certificateValidityPeriod": 90 * 86400,
    }
    key = authority.secret("storage_account_key", 64, "base64")
    return [
        Service(
            "acme.test",
            PEBBLE,
            14000,
            {"pebble.json": json.dumps({"pebble": pebble})},
            {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"},
            tls=True,
        ),
        Service(
            "azurite.test",
            AZURITE,
            10000,
            {"environment": f"AZURITE_ACCOUNTS={ACCOUNT}:{key}\n"},
            options=(
                "--volume",
                f"{MODULES}:/opt/node_modules:ro",
                "--volume",
                f"mainstay-bed-azurite-{owner()}:/data",
            ),
            tls=True,
        ),
        Service(
            "registry.test",
            "exec docker-registry serve /etc/bed/registry.json",
            5000,
            {"registry.json": json.dumps(registry_config("registry.test")), "htpasswd": htpasswd()},
            options=("--publish", f"127.0.0.1:{REGISTRY_PORT}:5000", "--volume", "mainstay-bed-registry:/data"),
            tls=True,
        ),
        Service(
            "mirror.test",
            "exec docker-registry serve /etc/bed/registry.json",
            5000,
            {"registry.json": json.dumps(registry_config("mirror.test"))},
            options=("--publish", f"127.0.0.1:{MIRROR_PORT}:5000", "--volume", "mainstay-bed-mirror:/data"),
        ),
        Service(
            "s3.test",
            WEED_SERVER,
            8333,
            {"s3.json": json.dumps(s3_config())},
            options=("--volume", f"{WEED}:/usr/local/bin/weed:ro", "--volume", f"mainstay-bed-s3-{owner()}:/data"),
            tls=True,
        ),
        Service("sink.test", "exec python3 /usr/local/bin/sink", 80),
        Service("packages.test", "exec python3 -m http.server --directory /srv 80", 80, image=images.packages),
    ]


def owner() -> str:
    """Tells this checkout's bed from another's on the same machine: their names are the same, their keys are not."""
    path = STATE / "owner"
    if not path.exists():
        authority.write(path, uuid4().hex[:8].encode())
    return path.read_text()


def network_up() -> None:
    """The bed's own network, dual stack; a bed that another checkout left running makes room."""
    if docker("network", "ls", "--quiet", "--filter", f"name=^{NETWORK}$"):
        if docker("network", "inspect", "-f", '{{index .Labels "mainstay.owner"}}', NETWORK) == owner():
            return
        print("bed: another checkout's test bed is in the way and is taken down", flush=True)
        remove_containers_and_networks()
    subnets = [flag for subnet in SUBNETS for flag in ("--subnet", subnet)]
    subnets += [flag for gateway in GATEWAYS for flag in ("--gateway", gateway)]
    labels = ["--label", LABEL, "--label", f"mainstay.owner={owner()}"]
    docker("network", "create", "--ipv6", *subnets, "--ip-range", DYNAMIC, *labels, NETWORK)


def remove_containers_and_networks() -> None:
    """Take the bed down; images, volumes and secrets stay."""
    if names := docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}").split():
        docker("rm", "--force", "--volumes", *names)
    for network in docker("network", "ls", "--quiet", "--filter", f"label={LABEL}").split():
        docker("network", "rm", network)


def up(service: Service) -> bool:
    """Make the service run as the table says; returns whether it had to be started."""
    image = service.image()
    folder = STATE / "services" / service.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, content in service.config.items():
        authority.write(folder / file, content.encode())
    if service.tls:
        pair = authority.certificate(service.name)
        for file in ("cert.pem", "key.pem"):
            authority.write(folder / file, (pair / file).read_bytes())
    wanted = digest(image, docker("image", "inspect", "-f", "{{.Id}}", image), service)
    known = inspect(service.name)
    if known and known["State"]["Running"] and known["Config"]["Labels"].get("mainstay.hash") == wanted:
        return False
    if known:
        docker("rm", "--force", service.name)
    for flag, value in zip(service.options, service.options[1:], strict=False):
        if flag == "--volume" and not value.startswith("/"):
            docker("volume", "create", "--label", LABEL, value.split(":")[0])
    environment = [flag for name, value in service.environment.items() for flag in ("--env", f"{name}={value}")]
    if "environment" in service.config:
        environment += ["--env-file", str(folder / "environment")]
    docker(
        "run", "--detach", "--init", "--name", service.name, "--hostname", service.name, "--restart", "unless-stopped",
        "--network", NETWORK, "--ip", ADDRESSES[service.name], "--network-alias", service.name,
        "--label", LABEL, "--label", f"mainstay.hash={wanted}", "--label", "mainstay.role=service",
        "--volume", f"{folder}:/etc/bed:ro", *environment, *service.options, image, "sh", "-c", service.command,
    )  # fmt: skip
    wait_for_port(ADDRESSES[service.name], service.port, service.name)
    return True


def wait_for_port(address: str, port: int, name: str, seconds: float = 60, pause: float = 0.1) -> None:
    """Return when something accepts connections; BedError with the container's last lines when nothing does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), 2):
                return
        except OSError:
            time.sleep(pause)
    logs = subprocess.run(["docker", "logs", "--tail", "15", name], text=True, capture_output=True, check=False)
    raise BedError(f"{name} does not answer on port {port} after {seconds:.0f} s:\n{logs.stdout}{logs.stderr}")


def trusted(url: str) -> bytes:
    """Fetch from a service of the bed, trusting the bed's authority."""
    context = ssl.create_default_context(cafile=str(authority.CA))
    with urlopen(url, timeout=10, context=context) as answer:
        return bytes(answer.read())


def fetch_acme_root() -> None:
    """Keep the root that Pebble made up when it started."""
    authority.write(ACME_ROOT, trusted(f"https://{ADDRESSES['acme.test']}:15000/roots/0"))
    ACME_ROOT.chmod(0o644)


def fetch_package_key() -> None:
    """Keep the key that signs Docker's repository here."""
    with urlopen(f"http://{ADDRESSES['packages.test']}/linux/debian/gpg", timeout=10) as answer:
        authority.write(PACKAGE_KEY, answer.read())


def dns(name: str, addresses: list[str]) -> None:
    """Point a public name at these addresses in the authority's DNS; none forgets the name."""
    for kind in ("a", "aaaa"):
        wanted = [address for address in addresses if (":" in address) == (kind == "aaaa")]
        post(f"{DNS}/clear-{kind}", {"host": name})
        if wanted:
            post(f"{DNS}/add-{kind}", {"host": name, "addresses": wanted})


def post(url: str, body: dict[str, object]) -> None:
    """Send JSON to the DNS server's management port."""
    try:
        urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=10).close()
    except URLError as error:
        raise BedError(f"{url}: {error}; is the bed up?") from error


def sas(permissions: str, days: float = 365) -> str:
    """A SAS for the backups container with these permissions."""
    from azure.storage.blob import generate_container_sas

    return str(
        generate_container_sas(
            ACCOUNT,
            CONTAINER,
            account_key=authority.secret("storage_account_key", 64, "base64"),
            permission=permissions,
            expiry=datetime.now(UTC) + timedelta(days=days),
            start=datetime.now(UTC) - timedelta(minutes=5),
        )
    )


def storage_up() -> None:
    """The container for backups, and who may what: the writer creates, the reader reads, the pruner removes as well."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    client = BlobServiceClient(
        f"https://{ADDRESSES['azurite.test']}:10000/{ACCOUNT}",
        credential={"account_name": ACCOUNT, "account_key": authority.secret("storage_account_key", 64, "base64")},
        connection_verify=str(authority.CA),
    )
    with suppress(ResourceExistsError):
        client.create_container(CONTAINER)
    for name, permissions in (("writer", "c"), ("reader", "rl"), ("pruner", "rld")):
        path = SECRETS / f"storage_{name}_sas"
        if not path.exists():
            authority.write(path, sas(permissions).encode() + b"\n")


def s3_up() -> None:
    """The bucket for backups: it keeps versions, and locks them for a day."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=f"https://{ADDRESSES['s3.test']}:8333",
        region_name="us-east-1",
        aws_access_key_id="owner",
        aws_secret_access_key=authority.secret("s3_owner"),
        verify=str(authority.CA),
        config=Config(s3={"addressing_style": "path"}),
    )
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    deadline = time.monotonic() + 60
    while True:
        try:
            if BUCKET not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
            client.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=rule)
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise BedError(f"s3.test: {error}") from error
            time.sleep(0.3)


def backups_key() -> None:
    """The key pair that backups are encrypted to; a user's private half would be on no machine of the bed."""
    from pyrage import x25519

    path = SECRETS / "backups_identity"
    if not path.exists():
        identity = x25519.Identity.generate()
        authority.write(STATE / "backups_recipient", f"{identity.to_public()}\n".encode())
        authority.write(path, f"{identity}\n".encode())


def login() -> None:
    """Let the machine's engine push to the private registry."""
    docker(
        "login", "--username", REGISTRY_USER, "--password-stdin", f"127.0.0.1:{REGISTRY_PORT}",
        stdin=authority.secret("registry"),
    )  # fmt: skip


def logout() -> None:
    """Forget the login, which Docker keeps in the user's home."""
    docker("logout", f"127.0.0.1:{REGISTRY_PORT}", check=False)


def all_up() -> None:
    """Bring every service up; Pebble's root is fetched anew when Pebble was started."""
    network_up()
    gateways = docker("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}", NETWORK).split()
    facts = {"testbed_state": str(STATE), "testbed_operator": gateways}
    (INVENTORY / "group_vars" / "all" / "state.yml").write_text(f"---\n{yaml.safe_dump(facts)}")
    for service in table():
        if up(service):
            print(f"bed: {service.name} started", flush=True)
    fetch_acme_root()
    fetch_package_key()
    storage_up()
    s3_up()
    backups_key()
