"""Who may see what: views today; principals, keys and roles when the gateway has an HTTP room."""
