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
  - Asks for a certificate when certbot holds none, or one for other domains, from another directory, not renewed
    through the webroot, or past its end. Renewing one that comes to its end is the timer's part.
  - When a certificate cannot be issued, the one that is served goes on being served, the other certificates are settled
    all the same, and the error names domain, problem and suspect.
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
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.certbot import lineage, trouble

SERVED = Path("/etc/mainstay/tls")
CERTBOT = Path("/etc/letsencrypt")
DEPLOYED = Path("/var/lib/mainstay/certbot/deployed")
TEMPORARY_DAYS = 7
ATTEMPTS = 3


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
        out = self._run(["openssl", "x509", "-in", str(path), "-noout", "-ext", "subjectAltName", "-enddate"])
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

    def issue(self, name: str, domains: list[str]) -> str | None:
        """Have a certificate issued where one is needed and serve it; answers why, None when it was not needed."""
        renewal = CERTBOT / "renewal" / f"{name}.conf"
        held = self.held(CERTBOT / "live" / name / "fullchain.pem")
        parameters = lineage.parse_renewal(renewal.read_text()) if renewal.exists() else {}
        directory = self.module.params["directory"]
        why = lineage.reason(domains, directory, held, parameters, datetime.now(timezone.utc))
        target = CERTBOT / "live" / name
        current = SERVED / name / "current"
        if why:
            self.changes.append(f"{name}: issued, since {why}")
            if not self.module.check_mode:
                self._certbot(name, domains)
        elif not current.is_symlink() or current.readlink() != target:
            self.changes.append(f"{name}: certbot's certificate served")
        if not self.module.check_mode:
            point(current, str(target))
        return why

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

    def _certbot(self, name: str, domains: list[str]) -> None:
        output = ""
        for attempt in range(ATTEMPTS):
            code, out, err = self.module.run_command(
                lineage.command(name, domains, self.module.params["config"]), environ_update=self._environment()
            )
            output = out + err
            if code == 0:
                return
            if "accountDoesNotExist" in trouble.types(output) and attempt == 0:
                self._set_accounts_aside()
            elif "Another instance of Certbot" in output:
                time.sleep(10)
            elif "badNonce" not in trouble.types(output):
                break
        kept = (
            "temporary certificate"
            if (SERVED / name / "current").readlink() == Path("temporary")
            else "old certificate"
        )
        lines = "\n".join(f"  {problem}" for problem in trouble.explain(output))
        raise IssueError(
            f"certificate '{name}' ({', '.join(domains)}) was not issued by {self.module.params['directory']}; "
            f"the {kept} goes on being served:\n{lines}"
        )

    def _environment(self) -> dict[str, str]:
        bundle = self.module.params["ca_bundle"]
        return {"REQUESTS_CA_BUNDLE": bundle} if bundle else {}

    def _set_accounts_aside(self) -> None:
        """Make certbot register anew with an authority that has forgotten it; the old keys are kept beside."""
        host, _slash, path = self.module.params["directory"].partition("://")[2].partition("/")
        place = CERTBOT / "accounts" / host / path
        if place.exists():
            place.rename(place.with_name(f"{place.name}.forgotten-{int(time.time())}"))

    def _run(self, command: list[str]) -> str:
        code, out, err = self.module.run_command(command)
        if code:
            raise IssueError(f"`{' '.join(command)}` failed: {(out + err).strip()}")
        return str(out)


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
                why = settler.issue(name, domains)
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
                },
            },
            "temporary": {"type": "bool", "default": False},
            "directory": {"type": "str"},
            "config": {"type": "path"},
            "ca_bundle": {"type": "path"},
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
