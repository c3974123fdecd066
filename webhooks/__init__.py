"""The receiver: what recipients, mail servers, sites and shops tell us, over HTTP and SMTP."""
