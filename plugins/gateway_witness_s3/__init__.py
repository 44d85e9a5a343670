"""Witness in append-only object storage: every hour's signed head as an object of S3 that nobody can delete.

What it gives: heads under object lock (compliance mode by default), which neither the gateway's role nor the account's
root can delete or change before their time. A delete marker that hides one does not hide it from us: versions are read.
``gateway verify audit`` and every start read all heads back, a thousand a request, since the name of each object
holds its whole note.

What it cannot give: a check of a head before it is kept, since S3 keeps any bytes; and the heads in between. An hour is
the longest time for which a rewritten log could agree with all of them: use it beside a witness on another host.

Needs the extra ``aws``. Credentials come from where the AWS libraries look for them; the role needs ``s3:PutObject``,
``s3:PutObjectRetention``, ``s3:GetObject``, ``s3:GetObjectRetention`` and ``s3:ListBucketVersions``, and nothing else.
"""
