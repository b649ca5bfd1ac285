# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the modules of the store share."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``mainstay.platform.blob``."""

    DOCUMENTATION = r"""
options:
  account_url:
    description:
      - Address of the storage account, V(https://ACCOUNT.blob.core.windows.net), without a container and without a
        credential.
      - Required unless O(connection_string) or O(credential.connection_string) is given.
    type: str
  connection_string:
    description:
      - Address and credential in one, as the portal shows it. The short form of O(credential) of kind
        V(connection_string).
    type: str
  credential:
    description:
      - What opens the container.
    type: dict
    suboptions:
      kind:
        description:
          - V(account_key) is the account's key; it may do everything.
          - V(sas) is a shared access signature. With C(sp=c) alone it can add objects and neither read, replace nor
            delete any.
          - V(connection_string) is address and key or SAS in one.
          - V(managed_identity) is the identity of the virtual machine; nothing secret is stored.
          - V(service_principal) is an application registered in Entra ID.
        type: str
        required: true
        choices: [account_key, sas, connection_string, managed_identity, service_principal]
      account_key:
        description: The key, in base64. For kind V(account_key).
        type: str
      sas:
        description: The signature as in V(?sv=…&sig=…), with or without the question mark. For kind V(sas).
        type: str
      connection_string:
        description: The connection string. For kind V(connection_string).
        type: str
      client_id:
        description:
          - The application's identifier. Needed for kind V(service_principal).
          - For kind V(managed_identity) it chooses a user-assigned identity.
        type: str
      tenant_id:
        description: The directory's identifier. For kind V(service_principal).
        type: str
      client_secret:
        description: The application's secret. For kind V(service_principal).
        type: str
      authority:
        description: Address of the login service, where it is not that of the public cloud. For kind
          V(service_principal).
        type: str
  container:
    description:
      - Name of the container. It must exist.
    type: str
    required: true
  ca_bundle:
    description:
      - File with the authorities to trust, where the store's certificate is signed by one of your own.
      - Without it the environment variable E(REQUESTS_CA_BUNDLE) counts.
    type: path
  timeout:
    description:
      - Seconds for the whole call. A service that is away for up to five minutes is waited for within that time, one
        that has never answered for ten seconds.
    type: int
    default: 21600
requirements:
  - azure-storage-blob >= 12.24
  - azure-identity, for the credential kinds V(managed_identity) and V(service_principal)
notes:
  - The libraries must be there for the Python that runs the module. The role C(mainstay.platform.runtime) provides
    one that has them; choose it with C(ansible_python_interpreter=/opt/mainstay/venv/bin/python) in the task's C(vars).
  - No message, result or log contains a credential.
"""
