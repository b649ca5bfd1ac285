# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps objects from being replaced or removed, as far as it can be seen."""

from __future__ import annotations

import dataclasses

OK = "ok"
BAD = "bad"
NOT_VERIFIED = "not_verified"


@dataclasses.dataclass(frozen=True)
class Protection:
    """One finding: ``verdict`` is one of the three above."""

    name: str
    verdict: str
    reason: str
