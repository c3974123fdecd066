"""What somebody else said, a mail server or a stranger's program, as it may be shown and written down anywhere."""


def on_one_line(said: str, longest: int) -> str:
    """At most so many characters, without control characters, which may take over a terminal and of which PostgreSQL takes no
    NUL, and without halves of letters, which no UTF-8 bears.
    """
    text = said[: 2 * longest]  # spaces in a row become one
    if not text.isprintable():
        text = "".join([letter if letter.isprintable() else " " for letter in text])
    return " ".join(text.split())[:longest]
