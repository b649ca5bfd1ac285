#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module hardening_system."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hardening_system
short_description: Settle lines, modes, PAM profiles, groups and mounts of the distribution in one call
version_added: 0.1.0
author:
  - "Mainstay contributors (@mainstay-platform)"
description:
  - Puts lines into files that belong to the distribution, takes permissions away from paths of its, switches PAM
    profiles on, makes groups, replaces a short RSA host key of SSH, and puts options of mounts and rules of the
    kernel's audit in force.
  - What was there before is recorded in C(/var/lib/mainstay/hardening/system.json). What an earlier call set and this
    one does not name gets back what it had.
  - A mode is an upper limit, a stricter one stays. Paths that do not exist are passed over.
options:
  edits:
    description:
      - Lines. C(match) is a regular expression for the beginning of the line whose place it takes; empty, C(line) is
        the whole file. A C(line) that begins with C(+) or C(-) adds or takes one word of the lines that match.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file. Passed over where it does not exist.
        type: path
        required: true
      match:
        description: The line that is replaced.
        type: str
        required: true
      line:
        description: The line.
        type: str
        required: true
  modes:
    description:
      - Owners and modes. C({home}) stands for each user's home, where owners stay as they are.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path.
        type: str
        required: true
      mode:
        description: What at most it may be, as quoted octal digits.
        type: str
        required: true
      owner:
        description: Its owner.
        type: str
        default: root
      group:
        description: Its group.
        type: str
        default: root
  pam:
    description:
      - Profiles in C(/usr/share/pam-configs) that are switched on.
    type: list
    elements: str
    default: []
  groups:
    description:
      - Groups that exist.
    type: list
    elements: str
    default: []
  rsa_bits:
    description:
      - An RSA host key of SSH with fewer bits is made anew; the old one is kept beside it. V(0) leaves it.
    type: int
    default: 0
  mounts:
    description:
      - Options that file systems which are mounted have. One that lacks its option is mounted anew in its place; where
        that is refused, as in a container, there is a warning.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is mounted. Passed over where nothing is.
        type: path
        required: true
      option:
        description: The option.
        type: str
        required: true
  audit_rules:
    description:
      - Files in C(/etc/audit/rules.d) whose rules the kernel has. They are loaded, with all others there, where it
        lacks one or they have changed since they were loaded.
    type: list
    elements: path
    default: []
  notes:
    description:
      - Sentences that are given as warnings.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mainstay.platform.attributes
  - mainstay.platform.attributes.debian
seealso:
  - module: mainstay.platform.config_tree
    description: Files that are ours alone.
"""

EXAMPLES = r"""
- name: Give new users a private home
  mainstay.platform.hardening_system:
    edits:
      - {path: /etc/adduser.conf, match: DIR_MODE=, line: DIR_MODE=0750}
    modes:
      - {path: /etc/crontab, mode: "0600"}
"""

RETURN = r"""
changed_paths:
  description: Paths that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
ssh_host_key:
  description: Whether SSH's RSA host key was made anew.
  returned: always
  type: bool
"""

import grp
import hashlib
import json
import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import audit
from ansible_collections.mainstay.platform.plugins.module_utils.hardening import edits as lines

RECORD = Path("/var/lib/mainstay/hardening/system.json")
RSA_KEY = Path("/etc/ssh/ssh_host_rsa_key")
FIRST_USER = 1000
LAST_USER = 59999


def record() -> dict[str, Any]:
    """What earlier calls did, and what was there before."""
    empty: dict[str, Any] = {"edits": [], "originals": {}, "modes": {}, "pam": {}, "groups": [], "audit": []}
    return {**empty, **json.loads(RECORD.read_text())} if RECORD.exists() else empty


def write(module: AnsibleModule, path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file, keeping its owner and mode."""
    temporary = Path(module.tmpdir, "new")
    temporary.write_text(text)
    if mode is not None:
        temporary.chmod(mode)
    module.atomic_move(str(temporary), str(path))


def settle_edits(module: AnsibleModule, known: dict[str, Any]) -> list[dict[str, str]]:
    """Make the edits and take back those that are not wanted any more. Returns diffs."""
    wanted = [dict(edit) for edit in module.params["edits"]]
    dropped = [edit for edit in known["edits"] if edit not in wanted]
    diffs = []
    for path in dict.fromkeys(edit["path"] for edit in [*dropped, *wanted]):
        file = Path(path)
        if not file.exists():
            continue
        before = text = file.read_text()
        original = known["originals"].setdefault(path, before)
        for edit in dropped:
            text = lines.undo(text, edit, original) if edit["path"] == path else text
        mine = [edit for edit in wanted if edit["path"] == path]
        for edit in mine:
            text = lines.apply(text, edit)
        if not mine:
            del known["originals"][path]
        if text != before:
            if not module.check_mode:
                write(module, file, text)
            diffs.append({"before_header": path, "after_header": path, "before": before, "after": text})
    known["edits"] = [edit for edit in wanted if Path(edit["path"]).exists()]
    return diffs


def places(module: AnsibleModule) -> dict[str, tuple[int, str | None, str | None]]:
    """The wanted mode, owner and group (None: as it is) of each path that exists."""
    found: dict[str, tuple[int, str | None, str | None]] = {}
    for entry in module.params["modes"]:
        mode = int(entry["mode"], 8)
        if entry["path"].startswith("{home}"):
            users = [user for user in pwd.getpwall() if FIRST_USER <= user.pw_uid <= LAST_USER and _at_home(user)]
            paths = [Path(entry["path"].replace("{home}", user.pw_dir)) for user in users]
            found |= {str(path): (mode, None, None) for path in paths if path.exists() and not path.is_symlink()}
        elif Path(entry["path"]).exists():
            found[entry["path"]] = (mode, entry["owner"], entry["group"])
    return found


def _at_home(user: pwd.struct_passwd) -> bool:
    """Whether a user's home is the user's: that of a program may be ``/``, which everybody has to pass."""
    home = Path(user.pw_dir)
    return home.is_dir() and home.stat().st_uid == user.pw_uid


def settle_modes(module: AnsibleModule, known: dict[str, Any]) -> list[dict[str, str]]:
    """Take permissions away, and give back those of paths that are not named any more. Returns diffs."""
    wanted = places(module)
    diffs = []
    for path, (most, owner, group) in wanted.items():
        info = Path(path).stat()
        now = (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
        uid = now[1] if owner is None else pwd.getpwnam(owner).pw_uid
        gid = now[2] if group is None else grp.getgrnam(group).gr_gid
        then = (now[0] & most, uid, gid)
        if then != now:
            known["modes"].setdefault(path, list(now))
            diffs.append(_change(module, path, now, then))
    for path in [path for path in known["modes"] if path not in wanted]:
        before = tuple(known["modes"].pop(path))
        if Path(path).exists():
            info = Path(path).stat()
            now = (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
            if now != before:
                diffs.append(_change(module, path, now, before))
    return diffs


def _change(module: AnsibleModule, path: str, now: tuple[int, ...], then: tuple[int, ...]) -> dict[str, str]:
    if not module.check_mode:
        os.chown(path, then[1], then[2])
        Path(path).chmod(then[0])
    return {
        "before_header": path, "after_header": path,
        "before": f"{now[0]:04o} {now[1]}:{now[2]}\n", "after": f"{then[0]:04o} {then[1]}:{then[2]}\n",
    }  # fmt: skip


def profiles() -> set[str]:
    """PAM profiles that are on, as pam-auth-update keeps them."""
    found = set()
    for name in ("auth", "account", "session", "session-noninteractive", "password"):
        file = Path("/var/lib/pam", name)
        if file.exists():
            found |= {
                row.removeprefix("Module: ") for row in file.read_text().splitlines() if row.startswith("Module: ")
            }
    return found


def settle_pam(module: AnsibleModule, known: dict[str, Any]) -> list[dict[str, str]]:
    """Switch PAM profiles on, again where they have changed, and off what is not wanted any more. Returns diffs."""
    now = profiles()
    files = {name: Path("/usr/share/pam-configs", name) for name in module.params["pam"]}
    wanted = {n: hashlib.sha256(f.read_bytes()).hexdigest() if f.exists() else "" for n, f in files.items()}
    off = [name for name in known["pam"] if name not in wanted and name in now]
    on = [name for name, digest in wanted.items() if name not in now or known["pam"].get(name, digest) != digest]
    known["pam"] = wanted
    for option, names in (("--remove", off), ("--enable", on)):
        if names and not module.check_mode:
            run(module, ["pam-auth-update", "--package", option, *names])
    if not off and not on:
        return []
    after = (now - set(off)) | {f"{name} (new)" if name in now else name for name in on}
    return [
        {"before_header": "PAM profiles", "after_header": "PAM profiles", "before": _list(now), "after": _list(after)}
    ]


def settle_groups(module: AnsibleModule, known: dict[str, Any]) -> list[dict[str, str]]:
    """Make groups, and remove those of ours that are not wanted any more. Returns diffs."""
    wanted, now = module.params["groups"], {group.gr_name for group in grp.getgrall()}
    new = [name for name in wanted if name not in now]
    old = [name for name in known["groups"] if name not in wanted and name in now]
    for program, names in (("groupadd", new), ("groupdel", old)):
        for name in names if not module.check_mode else []:
            run(module, [program, *(["--system"] if program == "groupadd" else []), name])
    known["groups"] = [name for name in wanted if name in known["groups"] or name in new]
    if not new and not old:
        return []
    return [{"before_header": "groups", "after_header": "groups", "before": _list(old), "after": _list(new)}]


def _list(names: Any) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def settle_host_key(module: AnsibleModule) -> bool:
    """Make a short RSA host key anew. Returns whether it was one."""
    if not module.params["rsa_bits"] or not RSA_KEY.exists():
        return False
    bits = int(run(module, ["ssh-keygen", "-l", "-f", f"{RSA_KEY}.pub"]).split()[0])
    if bits >= module.params["rsa_bits"]:
        return False
    if not module.check_mode:
        new = Path(module.tmpdir, "ssh_host_rsa_key")
        run(module, ["ssh-keygen", "-q", "-t", "rsa", "-b", str(module.params["rsa_bits"]), "-N", "", "-f", str(new)])
        for suffix in ("", ".pub"):
            place = Path(f"{RSA_KEY}{suffix}")
            # Beside it and not away: a file that is replaced keeps its owner and mode.
            shutil.copy2(place, f"{place}.before-mainstay")
            module.atomic_move(f"{new}{suffix}", str(place))
    return True


def settle_mounts(module: AnsibleModule) -> list[dict[str, str]]:
    """Give mounted file systems their options. Returns diffs."""
    diffs = []
    for entry in module.params["mounts"]:
        path, option = entry["path"], entry["option"]
        rc, out, _err = module.run_command(["findmnt", "-no", "OPTIONS", path])
        if rc != 0 or option in out.strip().split(","):
            continue
        if not module.check_mode:
            rc, _out, err = module.run_command(["mount", "-o", f"remount,{option}", path])
            if rc != 0:
                module.warn(f"{path} cannot be mounted with {option} now, but is from the next start on: {err.strip()}")
                continue
        after = f"{out.strip()},{option}\n"
        diffs.append({"before_header": path, "after_header": path, "before": out, "after": after})
    return diffs


def settle_audit(module: AnsibleModule, known: dict[str, Any]) -> list[dict[str, str]]:
    """Load rules that the kernel lacks or that have changed, and forget those of files that are gone. Returns diffs."""
    text = "".join(Path(path).read_text() for path in module.params["audit_rules"] if Path(path).exists())
    wanted, loaded = audit.rules(text), known["audit"]
    if not wanted and not loaded:
        return []
    # In check mode the package is about to come; without the control it may have gone.
    known["audit"] = wanted
    if module.get_bin_path("auditctl", opt_dirs=["/usr/sbin", "/sbin"]) is None:
        return []
    rc, before, err = module.run_command(["auditctl", "-l"])
    if rc != 0:
        module.warn(f"The kernel takes no audit rules, which are in force when it does: auditctl says {err.strip()}")
        return []
    if wanted == loaded and not audit.missing(text, before):
        return []
    after = _list(wanted)
    if not module.check_mode:
        # auditctl stops at the first rule that it does not take, and says which.
        run(module, ["augenrules", "--load"])
        after = run(module, ["auditctl", "-l"])
        if lacking := audit.missing(text, after):
            module.warn(
                f"The kernel takes no new audit rules before the next start, so it lacks {len(lacking)} of them"
            )
    header = "audit rules in force"
    return (
        [] if after == before else [{"before_header": header, "after_header": header, "before": before, "after": after}]
    )


def run(module: AnsibleModule, command: list[str]) -> str:
    """Run a command, or fail with its words."""
    rc, out, err = module.run_command(
        command, environ_update={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    )
    if rc != 0:
        module.fail_json(msg=f"'{' '.join(command)}' failed: {(err or out).strip()}")
    return str(out)


def main() -> None:
    """Run the module."""
    edit = {name: {"type": "path" if name == "path" else "str", "required": True} for name in ("path", "match", "line")}
    mode = {
        "path": {"type": "str", "required": True},
        "mode": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    mount = {"path": {"type": "path", "required": True}, "option": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "edits": {"type": "list", "elements": "dict", "options": edit, "default": []},
            "modes": {"type": "list", "elements": "dict", "options": mode, "default": []},
            "pam": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
            "rsa_bits": {"type": "int", "default": 0},
            "mounts": {"type": "list", "elements": "dict", "options": mount, "default": []},
            "audit_rules": {"type": "list", "elements": "path", "default": []},
            "notes": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    for note in module.params["notes"]:
        module.warn(note)
    known = record()
    before = json.dumps(known, sort_keys=True)
    # Groups before the files that name them; PAM's profiles before the lines that they are made of.
    diffs = settle_groups(module, known) + settle_pam(module, known)
    diffs += settle_edits(module, known) + settle_modes(module, known)
    diffs += settle_mounts(module) + settle_audit(module, known)
    host_key = settle_host_key(module)
    if json.dumps(known, sort_keys=True) != before and not module.check_mode:
        if any(known.values()):
            RECORD.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(module, RECORD, json.dumps(known, indent=1, sort_keys=True) + "\n", 0o600)
        else:
            RECORD.unlink(missing_ok=True)
    module.exit_json(
        changed=bool(diffs) or host_key,
        changed_paths=list(dict.fromkeys(d["after_header"] for d in diffs)),
        ssh_host_key=host_key,
        diff=[*diffs, *([{"prepared": "SSH's RSA host key is made anew\n"}] if host_key else [])],
    )


if __name__ == "__main__":
    main()
