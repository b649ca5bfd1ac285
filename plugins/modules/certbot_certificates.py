#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module certbot_certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certbot_certificates
short_description: Have certificates issued by certbot, and served at once
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Serves each certificate at C(/etc/mainstay/tls/<name>/fullchain.pem) and C(privkey.pem), a temporary self-signed
    one first, so that a web server can start, and the authority's as soon as it is issued.
  - Asks for a certificate when certbot holds none, or one for other domains, from another directory, by another
    challenge, on another curve, or past its end. Renewing one that comes to its end is the timer's part.
  - When a certificate cannot be issued, the one that is served goes on being served, the other certificates are settled
    all the same, and the error names domain, problem and suspect.
  - Where O(fallback) is given, it is asked when O(directory) does not issue.
  - A certificate that is served and not named any more is no longer renewed, and no longer served unless O(hook) says
    that a program still wants it.
options:
  certificates:
    description:
      - The certificates.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, under which it is served and certbot keeps it.
        type: str
        required: true
      domains:
        description: Host names it is for.
        type: list
        elements: str
        required: true
      challenge:
        description:
          - How it is proven that they are ours. By O(dns) where one is a wildcard, else by HTTP, when left out.
        type: str
        choices: [http, dns]
  temporary:
    description:
      - Go no further than temporary certificates where there is none.
    type: bool
    default: false
  directory:
    description:
      - URL of the ACME directory that a certificate must come from. Required unless O(temporary).
    type: str
  config:
    description:
      - Path on the server of the file with certbot's settings. Required unless O(temporary).
    type: path
  fallback:
    description:
      - Another authority.
    type: dict
    suboptions:
      directory:
        description: URL of its ACME directory.
        type: str
        required: true
      config:
        description: Path on the server of the file with certbot's settings for it.
        type: path
        required: true
      ca_bundle:
        description: Path on the server of the authorities to trust when talking to it. The system's when left out.
        type: path
  dns:
    description:
      - The plugin of certbot that writes DNS records.
    type: dict
    suboptions:
      plugin:
        description: Its name without C(dns-), such as V(rfc2136).
        type: str
        required: true
      credentials:
        description: Path on the server of the file with its settings.
        type: path
        required: true
      propagation_seconds:
        description: How long to wait for the records to be seen.
        type: int
        default: 30
  curve:
    description:
      - Elliptic curve of the keys.
    type: str
    choices: [secp256r1, secp384r1]
    default: secp256r1
  program:
    description:
      - certbot itself.
    type: path
    default: certbot
  ca_bundle:
    description:
      - Path on the server of the authorities to trust when talking to O(directory). The system's when left out.
    type: path
  hook:
    description:
      - Program on the server to run when other certificates are served than at its last success.
    type: path
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
"""

EXAMPLES = r"""
- name: Have a certificate issued
  mainstay.platform.certbot_certificates:
    certificates: [{name: shop, domains: [shop.example, www.shop.example]}]
    directory: https://acme-v02.api.letsencrypt.org/directory
    config: /etc/mainstay/certbot.ini
    hook: /etc/letsencrypt/renewal-hooks/deploy/mainstay
"""

RETURN = r"""
certificates:
  description: The certificates as they are served now, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate.
      type: str
    state:
      description: Whether it is the authority's, V(valid) before and V(issued) now, or V(temporary).
      type: str
    reason:
      description: Why it was issued; empty when it was not.
      type: str
    not_after:
      description: When it ends, in UTC; empty in check mode where it is not there yet.
      type: str
      sample: "2027-02-19T05:00:00+00:00"
"""

import hashlib
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.certbot import lineage, trouble

SERVED = Path("/etc/mainstay/tls")
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
CERTBOT = Path("/etc/letsencrypt")
DEPLOYED = Path("/var/lib/mainstay/certbot/deployed")
TEMPORARY_DAYS = 7
ATTEMPTS = 3
UNNAMED = ".unnamed"


class IssueError(Exception):
    """A certificate that could not be issued, with all that is known about it."""


class Settler:
    """Carries out what is to be done for the certificates, one after the other."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changes: list[str] = []

    def held(self, path: Path) -> lineage.Certificate | None:
        """Return the certificate in a file; None where there is none."""
        if not path.exists():
            return None
        out = self._run(["openssl", "x509", "-in", str(path), "-noout", "-text", "-enddate"])
        return lineage.parse_certificate(out)

    def temporary(self, name: str, domains: list[str]) -> None:
        """See to it that something is served under a name."""
        place = SERVED / name
        if (place / "current/fullchain.pem").exists() and (place / "current/privkey.pem").exists():
            return
        self.changes.append(f"{name}: temporary certificate")
        if self.module.check_mode:
            return
        own = place / "temporary"
        own.mkdir(0o755, parents=True, exist_ok=True)
        names = ",".join(f"DNS:{domain}" for domain in domains)
        self._run(
            [
                *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-days", str(TEMPORARY_DAYS), "-subj", "/CN=temporary", "-addext", f"subjectAltName={names}"),
                *("-keyout", str(own / "privkey.pem"), "-out", str(own / "fullchain.pem")),
            ]
        )
        (own / "privkey.pem").chmod(0o600)
        for file in ("fullchain.pem", "privkey.pem"):
            point(place / file, f"current/{file}")
        point(place / "current", "temporary")

    def issue(self, name: str, domains: list[str], challenge: str | None) -> str | None:
        """Have a certificate issued where one is needed and serve it; answers why, None when it was not needed."""
        renewal = CERTBOT / "renewal" / f"{name}.conf"
        unnamed = renewal.with_name(f"{renewal.name}{UNNAMED}")
        if unnamed.exists() and not renewal.exists():
            self.changes.append(f"{name}: renewed again")
            if not self.module.check_mode:
                unnamed.rename(renewal)
        held = self.held(CERTBOT / "live" / name / "fullchain.pem")
        parameters = lineage.parse_renewal(renewal.read_text()) if renewal.exists() else {}
        wanted = self._wanted(name, domains, challenge)
        why = lineage.reason(wanted, held, parameters, datetime.now(timezone.utc))
        target = CERTBOT / "live" / name
        current = SERVED / name / "current"
        if why:
            self.changes.append(f"{name}: issued, since {why}")
            if not self.module.check_mode:
                self._certbot(name, wanted)
        elif not current.is_symlink() or current.readlink() != target:
            self.changes.append(f"{name}: certbot's certificate served")
        if not self.module.check_mode:
            point(current, str(target))
        return why

    def _wanted(self, name: str, domains: list[str], challenge: str | None) -> lineage.Wanted:
        dns, fallback = self.module.params["dns"], self.module.params["fallback"]
        directories = [self.module.params["directory"], *([fallback["directory"]] if fallback else [])]
        try:
            authenticator = lineage.authenticator(domains, challenge, dns["plugin"] if dns else None)
        except ValueError as error:
            raise IssueError(f"certificate '{name}': {error}") from error
        return lineage.Wanted(domains, directories, authenticator, self.module.params["curve"])

    def forget(self, named: set[str]) -> None:
        """Stop renewing and serving what is not named any more; what certbot was issued stays on its disk."""
        for place in sorted(SERVED.iterdir() if SERVED.is_dir() else []):
            if not place.is_dir() or place.name in named or place.name.startswith("."):
                continue
            self.changes.append(f"{place.name}: not named any more, so neither served nor renewed")
            if self.module.check_mode:
                continue
            aside = place.with_name(f".{place.name}{UNNAMED}")
            place.rename(aside)
            try:
                self.deploy()
            except IssueError as error:
                aside.rename(place)
                raise IssueError(
                    f"certificate '{place.name}' is not named any more, but still in use: {error}"
                ) from error
            renewal = CERTBOT / "renewal" / f"{place.name}.conf"
            if renewal.exists():
                renewal.rename(renewal.with_name(f"{renewal.name}{UNNAMED}"))
            shutil.rmtree(aside)

    def deploy(self) -> None:
        """Run the hook when other certificates are served than at its last success."""
        hook = self.module.params["hook"]
        served = fingerprints()
        if not hook or served == (DEPLOYED.read_text() if DEPLOYED.exists() else ""):
            return
        self.changes.append("hook run, since the certificates changed")
        if self.module.check_mode:
            return
        code, out, err = self.module.run_command([hook])
        if code:
            raise IssueError(
                f"{hook} failed, so programs may go on with the certificates they had:\n{(out + err).strip()}"
            )

    def _certbot(self, name: str, wanted: lineage.Wanted) -> None:
        """Ask the authority, then the other one; IssueError with the words of both."""
        own = {key: self.module.params[key] for key in ("directory", "config", "ca_bundle")}
        said = []
        for authority in (own, self.module.params["fallback"]):
            if authority:
                output = self._ask(name, wanted, authority)
                if output is None:
                    return
                lines = "\n".join(f"  {problem}" for problem in trouble.explain(output))
                said.append(f"by {authority['directory']}:\n{lines}")
        temporary = (SERVED / name / "current").readlink() == Path("temporary")
        raise IssueError(
            f"certificate '{name}' ({', '.join(wanted.domains)}) was not issued; the "
            f"{'temporary' if temporary else 'old'} certificate goes on being served. Refused " + "\nand ".join(said)
        )

    def _ask(self, name: str, wanted: lineage.Wanted, authority: dict[str, Any]) -> str | None:
        """Have one authority issue; None when it did, else what certbot printed."""
        dns, program = self.module.params["dns"], self.module.params["program"]
        # A certbot that does not come from the distribution trusts a list of its own.
        environment = {"REQUESTS_CA_BUNDLE": authority["ca_bundle"] or SYSTEM_AUTHORITIES}
        output = ""
        for attempt in range(ATTEMPTS):
            command = lineage.command(name, wanted, authority["config"], dns, program)
            code, out, err = self.module.run_command(command, environ_update=environment)
            output = out + err
            if code == 0:
                return None
            if "accountDoesNotExist" in trouble.types(output) and attempt == 0:
                set_accounts_aside(authority["directory"])
            elif "Another instance of Certbot" in output:
                time.sleep(10)
            elif "badNonce" not in trouble.types(output):
                break
        return output

    def _run(self, command: list[str]) -> str:
        code, out, err = self.module.run_command(command)
        if code:
            raise IssueError(f"`{' '.join(command)}` failed: {(out + err).strip()}")
        return str(out)


def set_accounts_aside(directory: str) -> None:
    """Make certbot register anew with an authority that has forgotten it; the old keys are kept beside."""
    host, _slash, path = directory.partition("://")[2].partition("/")
    place = CERTBOT / "accounts" / host / path
    if place.exists():
        place.rename(place.with_name(f"{place.name}.forgotten-{int(time.time())}"))


def point(link: Path, target: str) -> None:
    """Make a link lead to a target, atomically."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    beside = link.with_name(f".{link.name}.mainstay-new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)


def fingerprints() -> str:
    """What is served, as the hook writes it with `sha256sum`."""
    files = sorted(SERVED.glob("*/fullchain.pem"))
    files = [file for file in files if not file.parent.name.startswith(".")]
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}\n" for file in files if file.exists())


def settle(module: AnsibleModule, settler: Settler) -> tuple[list[dict[str, Any]], list[str]]:
    """Settle every certificate; answers their states and what went wrong with any."""
    states, errors = [], []
    for certificate in module.params["certificates"]:
        name, domains = certificate["name"], certificate["domains"]
        why = None
        try:
            settler.temporary(name, domains)
            if not module.params["temporary"]:
                why = settler.issue(name, domains, certificate["challenge"])
            served = settler.held(SERVED / name / "fullchain.pem")
        except IssueError as error:
            errors.append(str(error))
            continue
        current = SERVED / name / "current"
        temporary = not current.is_symlink() or current.readlink() == Path("temporary")
        states.append(
            {
                "name": name,
                "state": "issued" if why else "temporary" if temporary else "valid",
                "reason": why or "",
                "not_after": served.not_after.isoformat() if served else "",
            }
        )
    try:
        settler.deploy()
        if not module.params["temporary"]:
            settler.forget({certificate["name"] for certificate in module.params["certificates"]})
    except IssueError as error:
        errors.append(str(error))
    return states, errors


def main() -> None:
    """Settle, deploy, report."""
    module = AnsibleModule(
        argument_spec={
            "certificates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "domains": {"type": "list", "elements": "str", "required": True},
                    "challenge": {"type": "str", "choices": ["http", "dns"]},
                },
            },
            "temporary": {"type": "bool", "default": False},
            "directory": {"type": "str"},
            "config": {"type": "path"},
            "ca_bundle": {"type": "path"},
            "fallback": {
                "type": "dict",
                "options": {
                    "directory": {"type": "str", "required": True},
                    "config": {"type": "path", "required": True},
                    "ca_bundle": {"type": "path"},
                },
            },
            "dns": {
                "type": "dict",
                "options": {
                    "plugin": {"type": "str", "required": True},
                    "credentials": {"type": "path", "required": True},
                    "propagation_seconds": {"type": "int", "default": 30},
                },
            },
            "curve": {"type": "str", "choices": ["secp256r1", "secp384r1"], "default": "secp256r1"},
            "program": {"type": "path", "default": "certbot"},
            "hook": {"type": "path"},
        },
        required_if=[("temporary", False, ("directory", "config"))],
        supports_check_mode=True,
    )
    settler = Settler(module)
    states, errors = settle(module, settler)
    if errors:
        module.fail_json(msg="\n".join(errors), certificates=states)
    module.exit_json(
        changed=bool(settler.changes),
        certificates=states,
        diff={"prepared": "".join(f"{change}\n" for change in settler.changes)},
    )


if __name__ == "__main__":
    main()
