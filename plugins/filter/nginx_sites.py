# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_sites
short_description: Sites that nginx serves, from the apps
version_added: 0.1.0
author: Mainstay contributors (@mainstay-platform)
description:
  - >-
    Gives a site for each app that has routes or metrics, with its domains, upstreams with the loopback ports or, of
    static files, the directories of both slots, routes, rate limits and security headers.
  - >-
    Routes and rate limits are sorted, the longest path first. Paths of metrics that a route would reach are
    listed as C(private), to be refused from outside.
  - >-
    An app without domains has an entry without domains as soon as it has metrics, for its upstream and its place
    at the metrics listener.
positional: _input
extends_documentation_fragment:
  - mainstay.platform.apps
"""

EXAMPLES = r"""
- name: Serve the sites
  ansible.builtin.import_role:
    name: mainstay.platform.nginx
  vars:
    nginx_sites: "{{ apps | mainstay.platform.nginx_sites }}"
"""

RETURN = r"""
_value:
  description: Sites that nginx serves, from the apps.
  type: list
  elements: dict
  contains:
    name:
      description: Name of the app.
      type: str
      sample: shop
    domains:
      description: Host names, the canonical one first.
      type: list
      elements: str
      sample: [shop.example, www.shop.example]
    certificate:
      description: Name of the certificate below C(/etc/mainstay/tls).
      type: str
      sample: shop
    upstreams:
      description: Upstreams with their loopback ports per slot, or C(roots) and C(fallback) of static files.
      type: list
      elements: dict
      sample: [{name: shop_web, service: web, ports: {blue: 20011, green: 28734}}]
    routes:
      description: Path prefixes with their upstream.
      type: list
      elements: dict
      sample: [{path: /, upstream: shop_web}]
    private:
      description: Paths that are answered 404 from outside.
      type: list
      elements: str
      sample: [/metrics]
    metrics:
      description: Places at the metrics listener on C(127.0.0.1:9080).
      type: list
      elements: dict
      sample: [{location: /shop/web, upstream: shop_web, path: /metrics}]
    rate_limits:
      description: Limits per client address, longest path first.
      type: list
      elements: dict
      sample: [{path: /login, upstream: shop_web, zone: shop_7e93fba0, rate: 5/m, burst: 4}]
    headers:
      description: Response headers by name.
      type: dict
      sample: {X-Content-Type-Options: nosniff}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.apps.projections import nginx_sites
from ansible_collections.mainstay.platform.plugins.plugin_utils.apps import project


class FilterModule:
    """The filter C(nginx_sites)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"nginx_sites": project(nginx_sites.nginx_sites)}
