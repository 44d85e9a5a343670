"""A message's life in reading order: receive, normalize, link, merge, route, deliver; quarantine, explain, ledger."""
