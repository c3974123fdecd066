"""The outbox in a browser: what would have been sent, as its reader would see it. Reads only, and serves this machine only.

Before: `mailbox` and `posts` keep what was captured. After: nobody. The pages need no script; a mail's HTML stands in a sandbox.
"""

import re
from pathlib import Path

from flask import Flask, Response, abort, render_template, request

from engine.processes.outbox.mailbox import Mail, Mailbox
from engine.processes.outbox.posts import kept_files, read_posts

PER_PAGE = 50
VIEWS = ("html", "text", "headers", "source")
THIS_MACHINE = ["127.0.0.1", "localhost", "[::1]"]  # a name that somebody else points here would read mail in our name
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src http: https: data:; "
    "style-src 'unsafe-inline' http: https:; font-src http: https:; base-uri 'self'; frame-ancestors 'self'"
)
HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


def create_outbox(mailbox: Mailbox, posts_folder: Path) -> Flask:
    """The WSGI application over one mailbox and the posts kept beside it."""
    app = Flask(__name__)
    app.config["TRUSTED_HOSTS"] = THIS_MACHINE

    def opened(name: str) -> Mail:
        return mailbox.open(name) or abort(404)

    def mails() -> str:
        page, total = page_asked(), len(mailbox.names())
        shown = list(mailbox.newest(skip=(page - 1) * PER_PAGE, limit=PER_PAGE))
        return render_template("mails.html", mails=shown, total=total, page=page, pages=-(-total // PER_PAGE))

    def posts() -> str:
        page, files = page_asked(), kept_files(posts_folder)
        shown = list(read_posts(files[(page - 1) * PER_PAGE : page * PER_PAGE]))
        return render_template("posts.html", posts=shown, total=len(files), page=page, pages=-(-len(files) // PER_PAGE))

    def mail(name: str) -> str:
        found = opened(name)
        view = request.args.get("view", "html" if found.html else "text")
        if view not in VIEWS:
            abort(404)
        narrow = request.args.get("width") == "phone"
        return render_template("mail.html", mail=found, views=VIEWS, view=view, narrow=narrow, source=as_text(found))

    def html(name: str) -> Response:
        answer = Response(in_new_windows(opened(name).html or abort(404)), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = MAIL_POLICY
        return answer

    def source(name: str) -> Response:
        return Response(opened(name).source, mimetype="message/rfc822")

    app.add_url_rule("/", view_func=mails)
    app.add_url_rule("/posts", view_func=posts)
    app.add_url_rule("/mail/<name>", view_func=mail)
    app.add_url_rule("/mail/<name>/html", view_func=html)
    app.add_url_rule("/mail/<name>.eml", view_func=source)
    app.after_request(guard)
    return app


def page_asked() -> int:
    return max(1, request.args.get("page", 1, type=int))


def guard(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def in_new_windows(html: str) -> str:
    """Links of the mail open beside the outbox: most sites refuse to be shown inside another page."""
    base = '<base target="_blank">'
    head = HEAD.search(html)
    return html[: head.end()] + base + html[head.end() :] if head else base + html


def as_text(mail: Mail) -> str:
    return mail.source.decode("utf-8", "replace").replace("\r\n", "\n")
