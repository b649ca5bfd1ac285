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
        credential. Plain C(http) is refused, except to the machine itself.
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
  - azure-identity, for the credential kinds V(managed_identity) and V(service_principal) alone
notes:
  - A library must be there for the Python that runs the module. The role C(mainstay.platform.runtime) provides
    one that has it; choose it with C(ansible_python_interpreter=/opt/mainstay/venv/bin/python) in the task's C(vars).
  - No message, result or log contains a credential.
"""
    STORES = r"""
options:
  stores:
    description:
      - The stores, near ones first.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in messages, metrics and lists.
        type: str
        required: true
      kind:
        description: Azure Blob Storage, or whatever speaks S3. By default V(s3) where O(stores[].bucket) is given.
        type: str
        choices: [azure, s3]
      account_url:
        description: Address of the storage account, without container and credential. For V(azure).
        type: str
      container:
        description: Container in the account. It must exist. For V(azure).
        type: str
      endpoint_url:
        description: Address of the service; that of AWS when not given. Plain C(http) is refused, except to the machine
          itself. For V(s3).
        type: str
      region:
        description: Region of the bucket, V(us-east-1) when not given. For V(s3).
        type: str
      bucket:
        description: Name of the bucket. It must exist. One with versions or object lock protects best. For V(s3).
        type: str
      addressing:
        description: Whether the bucket is in the path or in the host's name. V(path) where O(stores[].endpoint_url)
          is given. For V(s3).
        type: str
        choices: [path, virtual]
      prefix:
        description: Start of all names. C({app}) and C({database}) stand for those of a job; the database is appended
          unless it is in there.
        type: str
      ca_bundle:
        description: File with the authorities to trust. Without it the environment variable E(REQUESTS_CA_BUNDLE)
          counts.
        type: path
      timeout:
        description: Seconds for one transfer.
        type: int
        default: 21600
      keep:
        description: How long sets stay there - C(days), C(daily), C(weekly), C(monthly), C(yearly). See
          M(mainstay.platform.backup_prune).
        type: dict
      credential:
        description:
          - What opens the store.
          - For V(azure) as O(mainstay.platform.blob_upload#module:credential).
          - For V(s3) of kind V(access_key), or V(instance) for what the machine itself has.
        type: dict
        suboptions:
          kind:
            description: Kind of the credential. V(access_key) by default for V(s3).
            type: str
            choices: [account_key, sas, connection_string, managed_identity, service_principal, access_key, instance]
          account_key: {description: For kind V(account_key)., type: str}
          sas: {description: For kind V(sas)., type: str}
          connection_string: {description: For kind V(connection_string)., type: str}
          client_id: {description: For kinds V(service_principal) and V(managed_identity)., type: str}
          tenant_id: {description: For kind V(service_principal)., type: str}
          client_secret: {description: For kind V(service_principal)., type: str}
          authority: {description: For kind V(service_principal)., type: str}
          access_key_id: {description: For kind V(access_key)., type: str}
          secret_access_key: {description: For kind V(access_key)., type: str}
          session_token: {description: For kind V(access_key)., type: str}
requirements:
  - azure-storage-blob >= 12.24, and azure-identity for some kinds of credentials, for stores of kind V(azure)
  - boto3, for stores of kind V(s3)
notes:
  - The libraries must be there for the Python that runs the module. The role C(mainstay.platform.runtime) provides
    one that has them; choose it with C(ansible_python_interpreter=/opt/mainstay/venv/bin/python) in the task's C(vars).
  - No message, result or log contains a credential.
"""
