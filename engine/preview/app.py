"""The preview in a browser, for this machine only. A page asks several times a second whether it still shows what the files say.

Before: `engine.preview.watch` follows the files. After: nobody; nothing can be changed from here.
"""

from flask import Flask, Response, abort, jsonify, request, send_from_directory

from engine.preview.mails import Mail
from engine.preview.pages import BESIDE, PARTS, POLICY, index_page, mail_page
from engine.preview.watch import Watch
from engine.processes.outbox.app import THIS_MACHINE


def create_preview(watch: Watch) -> Flask:
    """The WSGI application over one workspace."""
    app = Flask(__name__, static_folder=None)
    app.config["TRUSTED_HOSTS"] = THIS_MACHINE

    def opened(name: str) -> Mail:
        found = next((mail for each, mail in watch.shown.mails.items() if str(each) == name), None)
        if found is None:
            abort(404)
        watch.look_at(found.name.email)
        return found

    def index() -> str:
        return index_page(watch.shown, live=True)

    def mail(name: str) -> str:
        return mail_page(opened(name), watch.shown, live=True)

    def stamp() -> Response:
        """Of the list, and of one mail: a page that shows others is to be had anew."""
        name = request.args.get("mail")
        return jsonify(list=watch.shown.stamp, mail=opened(name).stamp if name else "")

    def beside(name: str) -> Response:
        return send_from_directory(PARTS, name)

    app.add_url_rule("/", view_func=index)
    app.add_url_rule("/index.html", view_func=index, endpoint="named_index")
    app.add_url_rule("/stamp", view_func=stamp)
    app.add_url_rule("/<name>.html", view_func=mail)
    for file in BESIDE:
        app.add_url_rule(f"/{file}", view_func=beside, endpoint=file, defaults={"name": file})
    app.after_request(guard)
    return app


def guard(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = f"{POLICY}; frame-ancestors 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer
