# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of blob_download: progress on the terminal."""

from __future__ import annotations

from ansible_collections.mainstay.platform.plugins.plugin_utils.transfer import TransferAction


class ActionModule(TransferAction):
    """See `TransferAction`."""
