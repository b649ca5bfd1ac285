#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# DOCUMENTATION is written by `make docs` from plugins/module_utils/apps/spec.py; action/validate_apps.py does the work.
from __future__ import annotations

DOCUMENTATION = r"""
module: validate_apps
short_description: Check the apps of a server before it is touched
version_added: 0.1.0
description:
  - Checks the C(apps) list of the inventory and reports every error at once, each with its path and what
    would be right.
  - Runs on the controller and does not connect to the host.
author:
  - Mainstay contributors (@mainstay-platform)
options:
  apps:
    description:
      - The apps of the server.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name, unique on the server. Directories, containers and backups carry it.
        type: str
        required: true
      domains:
        description:
          - Host names. The first is canonical, the others redirect to it; a wildcard as C(*.shop.example)
            may be one of the others, and needs C(certbot_dns). Without any the app is not served.
        type: list
        elements: str
        default: []
      runtime:
        description:
          - 'What runs the services: V(compose) containers, V(systemd) units of the server, each in a
            sandbox.'
        type: str
        choices:
          - compose
          - systemd
        default: compose
      release:
        description:
          - 'Tag of every service''s image that has none of its own. With C(runtime: systemd) the version
            of C(source).'
        type: str
        required: true
      source:
        description:
          - 'Where releases come from. Required with C(runtime: systemd), which alone has it.'
        type: dict
        suboptions:
          repository:
            description:
              - Git repository, of which C(release) is a tag, a branch or a commit. Either this or C(archive).
            type: str
          deploy_key:
            description:
              - Private SSH key that may read the repository, from Ansible Vault.
            type: str
          archive:
            description:
              - Archive (tar, packed or not) of the release; C({release}) stands for the app's C(release).
            type: str
          checksum:
            description:
              - What the archive has to be.
            type: str
          packages:
            description:
              - Packages of the distribution that the app needs, to be built or to run.
            type: list
            elements: str
            default: []
          build:
            description:
              - Shell script that makes the release ready in its own directory, as the app's user, once.
            type: str
      strategy:
        description:
          - V(blue_green) starts the new release beside the old one; V(recreate) stops the old one first
            and needs less memory.
        type: str
        choices:
          - blue_green
          - recreate
        default: blue_green
      rpo:
        description:
          - 'Objective: so old may the newest proven backup of each of its databases and volumes become.
            What is younger may be lost. A schedule that cannot hold it is refused, as is one that leaves
            just as much between two backups; while it is broken an alert says so.'
        type: str
      rto:
        description:
          - 'Objective: in so much time the app runs again on its backups. Drills measure it (C(playbooks/drill.yml)),
            so one of its databases has to run here.'
        type: str
      services:
        description:
          - What the app consists of.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name; other services reach it under this name.
            type: str
            required: true
          image:
            description:
              - 'Image without a tag: C(:release) is added. One with a tag or digest of its own keeps
                it. Required with C(runtime: compose).'
            type: str
          command:
            description:
              - 'Command in place of the image''s own. With C(runtime: systemd) it is required, and its
                first word a path in the release or a program of the server.'
            type: list
            elements: str
          static:
            description:
              - 'Files of the release that nginx serves by itself, in place of a command. For C(runtime:
                systemd).'
            type: dict
            suboptions:
              path:
                description:
                  - Directory in the release, as its build leaves it.
                type: str
                required: true
              fallback:
                description:
                  - File that answers for paths which name no file, so that an app in the browser may
                    have its own.
                type: str
          port:
            description:
              - 'Port inside the container. Only the server''s own nginx reaches it. With C(runtime: systemd)
                that it listens at all: it is told where by the variables C(HOST) and C(PORT), which differ
                between slots.'
            type: int
          memory:
            description:
              - Memory limit. Required unless it is C(static).
              - 'Memory: a whole number with C(k), C(m) or C(g) (powers of 1024), such as C(256m); at
                least C(6m).'
            type: str
          memory_reservation:
            description:
              - Memory that is kept for it, at most C(memory).
              - 'Memory: a whole number with C(k), C(m) or C(g) (powers of 1024), such as C(256m); at
                least C(6m).'
            type: str
          cpus:
            description:
              - CPU limit. Without it the service may use all.
            type: float
          pids:
            description:
              - Limit of processes and threads.
            type: int
            default: 256
          user:
            description:
              - Numeric user and group that it runs as.
              - 'Without it, V(65532:65532); with C(runtime: systemd) the app''s own user, C(app-<app>).'
            type: str
          read_only:
            description:
              - Whether the container's root file system is read-only.
            type: bool
            default: true
          tmpfs:
            description:
              - Directories in memory that can be written; C(/tmp) always is one.
            type: list
            elements: str
            default: []
          capabilities:
            description:
              - Linux capabilities to keep; all others are dropped.
            type: list
            elements: str
            default: []
          env:
            description:
              - Environment variables of this service, over those of the app.
            type: dict
            default: {}
          secrets:
            description:
              - 'Names of the app''s secrets that it uses: it gets no others, and only these restart it
                when they are rotated.'
              - Without it, all of them.
            type: list
            elements: str
          volumes:
            description:
              - Directories that outlive releases.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - Directory C(/opt/app-data/<app>/<name>). Services that name the same volume share
                    it.
                type: str
                required: true
              path:
                description:
                  - Where the container sees it.
                type: str
                required: true
              backup:
                description:
                  - Its backup. Services that share the volume say the same of it.
                type: dict
                suboptions:
                  enabled:
                    description:
                      - Whether it is backed up.
                    type: bool
                    default: true
                  schedule:
                    description:
                      - 'When, as systemd''s OnCalendar. Name the zone: without one it is the server''s.'
                      - 'When, as systemd''s C(OnCalendar): C([weekdays] [*-month-day] [hour:minute] [zone]),
                        as C(Sun 03:30 UTC).'
                    type: str
                    default: '*-*-* 03:00:00 UTC'
                  keep_local:
                    description:
                      - Days that copies stay on the server.
                    type: int
                    default: 7
                  max_drop:
                    description:
                      - How much of its bytes may be gone from one backup to the next, in percent, before
                        the new one counts as bad until somebody acknowledges it. V(100) lets everything
                        pass.
                      - Without it, V(50).
                    type: int
                default: {}
            default: []
          routes:
            description:
              - Path prefixes that nginx sends here. The longest that fits wins.
            type: list
            elements: str
            default: []
          health:
            description:
              - 'How to tell that it is well: a path, or a mapping. A release goes live only when every
                check passes.'
            type: dict
            suboptions:
              path:
                description:
                  - Path that answers 2xx or 3xx when the service is well. Needs C(port). Either this
                    or C(command).
                type: str
              command:
                description:
                  - Command inside the container that exits 0 when the service is well.
                type: list
                elements: str
              interval:
                description:
                  - Time between two checks.
                  - 'A time: a whole number with C(s), C(m) or C(h), such as C(30s); 1 second to 24 hours.'
                type: str
                default: 2s
              timeout:
                description:
                  - Time in which a new release must become well, or it is refused.
                  - 'A time: a whole number with C(s), C(m) or C(h), such as C(30s); 1 second to 24 hours.'
                type: str
                default: 60s
          metrics:
            description:
              - Path of its metrics in Prometheus format. Scraped every 15 s, answered 404 from outside.
            type: str
          rate_limits:
            description:
              - Limits per client address and path. The longest path that fits counts.
            type: list
            elements: dict
            suboptions:
              path:
                description:
                  - Path prefix that is limited, inside a route of this service.
                type: str
                required: true
              rate:
                description:
                  - Requests that one client may make.
                  - 'Requests per client and time: C(10/s), C(5/m), C(2/h), C(1000/d), or C(20/15m): twenty
                    in fifteen minutes.'
                type: str
                required: true
              burst:
                description:
                  - Requests beyond the rate that are answered at once instead of refused.
                  - Without it, one less than the rate's count, so that the whole count may come at once.
                type: int
            default: []
          singleton:
            description:
              - Never run two at once, not even during a release (schedulers).
            type: bool
            default: false
          run:
            description:
              - V(before_release) runs once before a release starts, such as a migration.
            type: str
            choices:
              - always
              - before_release
            default: always
          stop_timeout:
            description:
              - Time to finish work after SIGTERM.
              - 'A time: a whole number with C(s), C(m) or C(h), such as C(30s); 1 second to 24 hours.'
            type: str
            default: 30s
          ports:
            description:
              - Loopback ports in place of the derived ones, where two derived ones clash.
              - Without it, a hash of app, service and slot.
            type: dict
            suboptions:
              blue:
                description:
                  - Port on the server's loopback address for slot blue.
                type: int
                required: true
              green:
                description:
                  - Port on the server's loopback address for slot green.
                type: int
                required: true
        required: true
      databases:
        description:
          - Databases of the app. Each brings its backup, its alerts and its closed port.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name; services reach it under this name.
            type: str
            required: true
          engine:
            description:
              - Engine.
            type: str
            choices:
              - postgresql
              - mysql
              - mariadb
              - mongodb
              - redis
            required: true
          version:
            description:
              - 'Version, in quotes: the tag of the image.'
            type: str
            required: true
          image:
            description:
              - 'Image without a tag: C(:version) is added.'
              - Without it, C(postgres) for postgresql, C(mysql) for mysql, C(mariadb) for mariadb, C(mongo)
                for mongodb, C(redis) for redis.
            type: str
          external:
            description:
              - 'Where it is, when it is not to run here: native on the host, or managed elsewhere. A
                host or a mapping.'
            type: dict
            suboptions:
              host:
                description:
                  - Where the server is, seen from the host. Either this or C(socket).
                type: str
              port:
                description:
                  - Its port.
                  - Without it, the engine's own.
                type: int
              socket:
                description:
                  - Its socket, where it runs on the host itself.
                type: str
              tls:
                description:
                  - Whether connections are encrypted, and the server proves its name.
                  - Without it, V(true), unless it is on the host itself.
                type: bool
              ca:
                description:
                  - File on the host with the authorities that may vouch for it.
                  - Without it, those that the host trusts.
                type: str
              tools:
                description:
                  - 'Where the client tools for backups come from: from C(image), or from packages of
                    the host.'
                  - Without it, V(host) where the server is on the host itself, else V(image).
                type: str
                choices:
                  - image
                  - host
          memory:
            description:
              - Memory limit. Required unless it is C(external).
              - 'Memory: a whole number with C(k), C(m) or C(g) (powers of 1024), such as C(256m); at
                least C(6m).'
            type: str
          cpus:
            description:
              - CPU limit. Without it the database may use all.
            type: float
          user:
            description:
              - User inside the database. Redis has none.
              - Without it, the app's name.
            type: str
          database:
            description:
              - Database inside the server. Redis has none.
              - Without it, the app's name.
            type: str
          password:
            description:
              - Password of at least 12 characters, from Ansible Vault. C(playbooks/rotate.yml) brings
                another one.
            type: str
            required: true
          backup:
            description:
              - Its backup.
            type: dict
            suboptions:
              enabled:
                description:
                  - Whether it is backed up.
                type: bool
                default: true
              schedule:
                description:
                  - 'When, as systemd''s OnCalendar. Name the zone: without one it is the server''s.'
                  - 'When, as systemd''s C(OnCalendar): C([weekdays] [*-month-day] [hour:minute] [zone]),
                    as C(Sun 03:30 UTC).'
                type: str
                default: '*-*-* 02:00:00 UTC'
              keep_local:
                description:
                  - Days that copies stay on the server.
                type: int
                default: 7
              max_drop:
                description:
                  - How much of its bytes or rows may be gone from one backup to the next, in percent,
                    before the new one counts as bad until somebody acknowledges it. V(100) lets everything
                    pass.
                  - Without it, V(50); V(100) for Redis, whose keys come and go.
                type: int
            default: {}
        default: []
      env:
        description:
          - Environment variables of every service. Never secrets.
        type: dict
        default: {}
      secrets:
        description:
          - Secret environment variables of every service that does not name those it uses, from Ansible
            Vault. They reach it in a file of mode 0600.
        type: dict
        default: {}
      headers:
        description:
          - Security headers of the site, where the strict defaults do not fit. An empty string leaves
            one out.
        type: dict
        suboptions:
          csp:
            description:
              - Content-Security-Policy. C({nonce}) becomes the request's id, which the app gets as C(X-Request-ID).
            type: str
            default: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src
              'self'; connect-src 'self'; manifest-src 'self'; media-src 'self'; worker-src 'self'; base-uri
              'self'; form-action 'self'; frame-ancestors 'none'
          csp_report_only:
            description:
              - 'Content-Security-Policy-Report-Only: a policy to try out first. Browsers report, and
                block nothing.'
            type: str
            default: ''
          hsts:
            description:
              - Strict-Transport-Security. Add C(; includeSubDomains) where every subdomain has HTTPS,
                and C(; preload) to be put on the browsers' lists, from which there is no quick way back.
            type: str
            default: max-age=63072000
          frame_options:
            description:
              - X-Frame-Options.
            type: str
            default: DENY
          content_type_options:
            description:
              - X-Content-Type-Options.
            type: str
            default: nosniff
          referrer_policy:
            description:
              - Referrer-Policy.
            type: str
            default: strict-origin-when-cross-origin
          permissions_policy:
            description:
              - Permissions-Policy.
            type: str
            default: camera=(), geolocation=(), microphone=(), payment=(), usb=()
          opener_policy:
            description:
              - Cross-Origin-Opener-Policy.
            type: str
            default: same-origin
          resource_policy:
            description:
              - Cross-Origin-Resource-Policy. C(cross-origin) where other sites may embed images or files.
            type: str
            default: same-origin
        default: {}
  server:
    description:
      - What the server has. With it the limits of all apps are added up and compared.
    type: dict
    suboptions:
      memory:
        description:
          - Memory of the server.
          - 'Memory: a whole number with C(k), C(m) or C(g) (powers of 1024), such as C(256m); at least
            C(6m).'
        type: str
        required: true
      cpus:
        description:
          - CPUs of the server.
        type: float
        required: true
      reserved:
        description:
          - Memory for the system, Docker, nginx and monitoring.
          - 'Memory: a whole number with C(k), C(m) or C(g) (powers of 1024), such as C(256m); at least
            C(6m).'
        type: str
        default: 1g
  system:
    description:
      - Distribution and version of the server, where they are known.
      - With it, what the distribution lacks is refused.
    type: str
attributes:
  check_mode:
    description: Nothing is changed in either mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Check the inventory before any server is touched
  hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Check apps
      mainstay.platform.validate_apps:
        apps: "{{ apps | default(omit) }}"
        server: "{{ server | default(omit) }}"

# group_vars of the servers
# apps:
#   - name: shop
#     domains: [shop.example, www.shop.example]   # the first is canonical
#     release: "{{ shop_release }}"
#     services:
#       - name: web
#         image: registry.example/shop-web
#         port: 8000
#         memory: 512m
#         cpus: 1.0
#         routes: [/]
#         health: /health
#         metrics: /metrics
#         rate_limits:
#           - {path: /, rate: 10/s, burst: 20}
#           - {path: /login, rate: 5/m}
#           - {path: /login/forgotten, rate: 2/h}
#       - {name: worker, image: registry.example/shop-web, command: [./work], memory: 256m}
#       - {name: migrate, image: registry.example/shop-web, command: [./migrate], memory: 256m, run: before_release}
#     databases:
#       - name: db
#         engine: postgresql
#         version: "17"
#         memory: 512m
#         password: "{{ shop_db_password }}"
#         backup: {schedule: "*-*-* 02:00:00 UTC"}
#     env: {LOG_LEVEL: info}
#     secrets: {DATABASE_URL: "postgresql://shop:{{ shop_db_password }}@db/shop"}
#
# server: {memory: 4g, cpus: 2}
"""

RETURN = r"""
apps:
  description: Number of apps.
  returned: success
  type: int
  sample: 1
domains:
  description: Number of domains.
  returned: success
  type: int
  sample: 2
services:
  description: Number of services.
  returned: success
  type: int
  sample: 3
databases:
  description: Number of databases.
  returned: success
  type: int
  sample: 1
"""
