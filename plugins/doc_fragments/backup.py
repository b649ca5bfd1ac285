# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the backup modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments ``mainstay.platform.backup``, and of it ``job`` and ``tools``."""

    JOB = r"""
options:
  name:
    description:
      - Name of the job. Two runs of one job never overlap.
    type: str
    required: true
  app:
    description:
      - Name of the app that the database belongs to.
    type: str
    required: true
  database:
    description:
      - Name of the database in the list of apps. Names the directory, and the folder in the store.
    type: str
    required: true
"""

    DOCUMENTATION = r"""
options:
  engine:
    description:
      - Kind of the database.
    type: str
    choices: [postgresql, mysql, mariadb, mongodb, redis, files]
    required: true
  databases:
    description:
      - Databases inside the server. Each becomes a file of its own.
      - Must name at least one for V(postgresql), V(mysql) and V(mariadb). Empty means all of them for V(mongodb).
        V(redis) is dumped whole.
    type: list
    elements: str
    default: []
  user:
    description:
      - User inside the database. Not used for V(redis).
    type: str
    default: ""
  password:
    description:
      - Password of the user. Not needed where the server trusts its own container.
      - It reaches the tools as an environment variable or a file descriptor, never on a command line.
    type: str
  host:
    description:
      - Where the tools find the server, seen from where they run. Empty for a socket or the loopback address.
    type: str
    default: ""
  port:
    description:
      - Port of the server; V(0) for the engine's own.
    type: int
    default: 0
  directory:
    description:
      - Where the backups are. C(/var/backups/mainstay/APP/DATABASE) when not given.
    type: path
  file_prefix:
    description:
      - Start of the names of the files. C(pg-backup), C(mysql-backup), C(mariadb-backup), C(mongo-backup),
        C(redis-backup) or C(files-backup) when not given.
    type: str
  socket:
    description:
      - Socket of a server on this host, in place of O(host). Not for V(mongodb).
    type: path
  tls:
    description:
      - Whether connections are encrypted, and the server proves that it is O(host).
    type: bool
    default: false
  ca:
    description:
      - File with the authorities that may vouch for the server, seen from where the tools run. Those that Debian trusts
        when not given.
    type: path
  paths:
    description:
      - Files and folders to pack. For engine V(files), which needs at least one.
    type: list
    elements: path
    default: []
  exclude:
    description:
      - Patterns of absolute paths to leave out, C(*) also standing for C(/). For engine V(files).
    type: list
    elements: str
    default: []
  compression:
    description:
      - What dumps are packed with. V(auto) is zstd where the tools have it, gzip where not. Not for V(mongodb) and
        V(redis).
    type: str
    choices: [auto, zstd, gzip]
    default: auto
  recipients:
    description:
      - Public keys of age (C(age1…)) or SSH (C(ssh-ed25519 …)) that backups are encrypted to. Whoever has one of the
        private keys can open them; this server cannot.
      - Not encrypted when empty. Needs the Python package C(pyrage), which the role P(mainstay.platform.runtime#role)
        installs into C(/opt/mainstay/venv).
    type: list
    elements: str
    default: []
"""

    TOOLS = r"""
options:
  container:
    description:
      - Container in which the engine's tools run. Without it, and without O(image), they are taken from this host.
    type: str
  image:
    description:
      - Image of which a container is made for each tool, where O(container) is not given. It should be of the server's
        version. For servers that others run.
    type: str
  timeout:
    description:
      - Seconds that one tool may take.
    type: int
    default: 14400
notes:
  - Needs root, or a user who may use Docker and the directories.
"""
