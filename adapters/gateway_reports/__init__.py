"""Report files that people export from systems without a public interface: Jane, Prompt, Raintree, Clinicient.

Gives patients, appointments, invoices and insurance policies, as far as a report holds them, from CSV and Excel files.
Columns are recognized by their headers; what is published of each system is built in, anything else is named in the
settings. It cannot give more than the report that somebody exports, when they export it. Of Raintree and Clinicient
nothing is published: every column is named in the settings.
"""
