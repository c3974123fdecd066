"""DKIM: the operator's keys, the records that tell the world of them, and the signatures of mails (RFC 6376, RFC 8463)."""
