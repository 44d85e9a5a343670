"""Web pages for people at the admin port. They are plain files: what they show they ask of the admin API.

So a page can show nobody anything that the API does not, and no page is made of what a system or a patient sent.
"""
