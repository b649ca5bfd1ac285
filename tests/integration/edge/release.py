# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine leaves of a release of static files, put there by hand. Usage: release.py RELEASE SLOT.

Everything belongs to the app's user, and so would what a link leads to, were it not for nginx.
"""

import gzip
import os
import sys
from pathlib import Path

USER = 50001
RELEASE, SLOT = sys.argv[1:]
# A hash of the build: both releases have files that the other has not.
HASH = {"v1": "1a2b3c4d", "v2": "5e6f7a8b"}[RELEASE]
LONG = f"{RELEASE} the same again, " * 500

os.umask(0o022)
app = Path("/srv/club")
tree = app / "releases" / RELEASE / "tree"
build = tree / "frontend/build"
files = {
    "index.html": f"<h1>{RELEASE}</h1><script src=/static/js/main.{HASH}.js></script>{LONG}",
    f"static/js/main.{HASH}.js": LONG,
    f"static/js/main.{HASH}.js.map": "{}",
    f"assets/app-{'Ab12Cd34' if RELEASE == 'v1' else 'Xy98Zw76'}.css": LONG,
    f"static/{RELEASE}.css": LONG,
    f"{RELEASE}.csv": "a document",
    f"{RELEASE}.html": "a page",
    "static/js/plain.js": LONG,
    "module.mjs": LONG,
    "data.json": LONG,
    "sw.js" if RELEASE == "v1" else "other.js": "self.skipWaiting()",
    "docs/index.html": "the docs",
    "docs/intro/index.html": "an introduction",
    "docs/v1.2/index.html": "of a version",
    "empty/x.txt": "no page here",
    ".env": "PLANTED",
    ".git/config": "PLANTED",
    "x/.mainstay/secret": "PLANTED",
    ".well-known/security.txt": "Contact: x",
    "packed.js": LONG,
    "unreadable.txt": "PLANTED",
    "limited/x.txt": "a few only",
}
for name, text in files.items():
    path = build / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
(build / "packed.js.gz").write_bytes(gzip.compress(b"packed by the build"))
(build / "unreadable.txt").chmod(0o600)
(tree / "secret.txt").write_text("PLANTED")
(tree / "manual").mkdir()
(tree / "manual/index.html").write_text(f"the manual of {RELEASE}")
outside = app / "outside.txt"
outside.write_text("PLANTED")
for name, target in {"passwd": "/etc/passwd", "leak.txt": str(outside), "etc": "/etc", "up": "../.."}.items():
    (build / name).symlink_to(target)
for path in [outside, tree, *tree.rglob("*")]:
    os.lchown(path, USER, USER)
for directory in (app, app / "releases", tree.parent):
    directory.chmod(0o751)
slots = app / "slots"
slots.mkdir(0o751, exist_ok=True)
beside = slots / f".{SLOT}"
beside.symlink_to(tree.parent)
beside.rename(slots / SLOT)
