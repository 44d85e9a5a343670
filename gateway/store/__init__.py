"""The one place with SQL: tables, one module of statements per noun, and one writer with group commit.

``schema`` holds the tables, ``messages``, ``journal``, ``deliveries`` and ``audit`` the statements, ``recount`` the
ledger's questions, ``engines`` the two databases that serve them, ``writer`` the thread through which every change
goes, and ``opening`` puts them together.
"""
