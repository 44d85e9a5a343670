"""Key provider ``pkcs11``: the root key stays inside a hardware security module (HSM), smart card or USB token.

The token wraps and opens the few tenants' keys by an AES-256 key that it made itself and never gives away, with each
key's context as additional authenticated data (CKM_AES_GCM of PKCS#11). It is reached through the PKCS#11 library of
its maker, which is loaded into the gateway's own process: name the library that the maker signed.

What it cannot give: several keys under one name. To move to a newer root, give it another ``key`` and name the one
before under ``[keys.previous]``.

Needs the extra ``pkcs11``. While the token is away intake goes on, and reads end after ``keys.cache_seconds``.
"""
