"""Key provider ``file``: the root key is one file, readable by its owner only.

It protects backups and stolen databases as long as the file lives on another device than the data; production mode
refuses it otherwise. Whoever is root on the machine can read it: where that matters, use a provider whose key never
leaves its own hardware or service.
"""
