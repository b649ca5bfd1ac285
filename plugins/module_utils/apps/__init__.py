# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: ``load`` checks ``apps`` and fills in defaults; ``projections`` make of it what each role needs."""

from __future__ import annotations

from .model import App, ModelError, load

__all__ = ["App", "ModelError", "load"]
