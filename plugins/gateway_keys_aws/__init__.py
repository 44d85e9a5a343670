"""Key provider ``aws``: the root key stays inside AWS Key Management Service (KMS).

KMS wraps and opens the few tenants' keys by a symmetric key of the clinic's own account; the digest of each key's
context goes along as encryption context, without which KMS refuses to open it. Credentials come from where the AWS
libraries look for them: prefer the role of the machine over keys in files.

Needs the extra ``aws``. While KMS is away intake goes on, and reads end after ``keys.cache_seconds``.
"""
