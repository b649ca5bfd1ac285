# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the roles of a whole server are told, from one reading of the apps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .app_stack import app_stack_projects
from .backups_jobs import backups_jobs
from .certbot_certificates import certbot_certificates
from .firewall_rules import firewall_rules
from .monitoring_targets import monitoring_targets
from .nginx_sites import nginx_sites


def everything(
    apps: list[dict[str, Any]], encrypted: bool = False, http3: bool = False, web_sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Return each projection under its name; `encrypted` as for `backups_jobs` and `monitoring_targets`, the others as
    for `firewall_rules`."""
    return {
        "firewall_rules": firewall_rules(apps, http3, web_sources),
        "certbot_certificates": certbot_certificates(apps),
        "nginx_sites": nginx_sites(apps),
        "app_stack_projects": app_stack_projects(apps),
        "backups_jobs": backups_jobs(apps, encrypted),
        "monitoring_targets": monitoring_targets(apps, encrypted),
    }
