"""The words for every reason: why a step did not happen, why a mail waits, how a passage began and why it ended. Pure.

Before: the reasons of `engine.vocabulary`, as rows have them. After: `explain`, `test` and `simulate` print these.
"""

from engine.settings import MAIN
from engine.vocabulary import NotEnrolled, Reason, SmtpPhase

WHY: dict[str, str] = {
    Reason.SENT_BEFORE: "this lead got it in an earlier passage, and the cadence does not say `repeat: yes`",
    Reason.BRANCH: "the lead went the other way at a branch",
    Reason.LATE: "it was later than its `valid_for:` allows",
    Reason.CONSENT: "the lead has not agreed to mail on this topic",
    Reason.SUPPRESSED: "the address must not be written to, or no more on this topic",
    Reason.NO_ADDRESS: "the lead has no address that can be written to",
    Reason.TIMEOUT: "what it waited for did not happen in time",
    Reason.SHADOW: "the step or its cadence only pretends (`shadow: yes`)",
    Reason.HOLDOUT: "the lead drew the arm that gets none of it, for comparison",
    Reason.REMOVED: "the step is not in the version that the lead moved to",
    Reason.SAME_MAIL: "the same had been sent when the step had another name",
    Reason.WITH_SALES: "sales has the lead already",
    Reason.NO_REP: "there is nobody in assignment.yaml to hand the lead to",
    Reason.NO_CADENCE: "there is no such cadence any more",
    Reason.NO_FIELD: "leads.yaml no longer has the field, or not of this type",
    NotEnrolled.INSIDE: "the lead is in that cadence already",
    NotEnrolled.HAD_BEFORE: "the lead has been through that cadence, and its `reentry` does not let it in again (yet)",
    NotEnrolled.CONSENT_REFUSED: "the lead has refused mail on that cadence's topic",
    NotEnrolled.CONSENT_UNKNOWN: "the lead has not agreed to mail on that cadence's topic",
    Reason.WINDOW: "its time came when no mail goes out; it was moved to the next opening",
    Reason.CATCH_UP: "it was held up while nothing ran; such mail goes out little by little, this one at its turn",
    Reason.CAP: "the lead had as much marketing mail as the caps allow",
    Reason.OUTRANKED: "another mail to the same person went first, and the caps had no room for both",
    Reason.TEMPORARY: "it could not go for now; it is tried again",
    Reason.PAUSED: "it stands still while sales has the lead, or a person paused it",
    Reason.DOMAIN_PAUSED: "the recipient's provider turns our mail away for now; `handraiser status` has its words",
    Reason.PACED: "only so many mails an hour go to that provider; this one goes at its turn",
    Reason.RELAY_AWAY: "our mail server cannot be reached or will not have us; `handraiser status` has its words",
    Reason.NO_RELAY: "no mail server that takes it has an address here; `handraiser status` tells which is not set",
    Reason.WARM_UP: "a new mail server carries only so many mails a day at first; this one goes when there is room",
    Reason.UNKNOWN_ONCE: "the mail server gave no answer; it is sent once more, the same to the byte",
    Reason.REPLIED: "the lead replied",
    Reason.PURCHASED: "the lead bought something",
    Reason.GOAL: "it reached its goal",
    Reason.END: "it came to its end",
    Reason.UNSUBSCRIBED: "the lead opted out",
    Reason.BOUNCED: "the address does not work",
    Reason.COMPLAINED: "the lead marked a mail as spam",
    Reason.EXIT: "a condition for leaving held",
    Reason.HANDOFF: "sales answered",
    Reason.BY_HAND: "a person took the lead out",
    Reason.ERASED: "the lead was erased",
    Reason.PERMANENT: "the mail server refused it for good",
    Reason.TOO_OLD: "it was put off for so long that it was given up",
    Reason.NO_ANSWER: "the mail server gave no answer at the end, so nobody knows; it is not sent again",
    Reason.WORKER_DIED: "the process stopped in the middle, so nobody knows; it is not sent again",
    Reason.RESTORED: "what ran before the database was restored perhaps sent it, so nobody knows; it is not sent again",
    Reason.TEMPLATE_ERROR: "it could not be written for this lead",
    Reason.ADDRESS_CHANGED: "the lead has another address now",
    Reason.ENROLMENT_ENDED: "the lead had left the cadence by then",
    Reason.REJECTED: "the other system refused it",
    Reason.FORBIDDEN: "its address is none that we may write to",
    Reason.QUARANTINED: "it was tried three times and never finished; somebody must look",
}

POST_WHY: dict[str, str] = {
    Reason.TEMPORARY: "the other system could not take it for now",
    Reason.TOO_OLD: "the other system could not take it for three days",
    Reason.REMOVED: "workspace.yaml no longer has that webhook",
}


def in_words(reason: str) -> str:
    """A cadence may also be left by an event of the workspace's own, or for a reason in the marketer's words."""
    return WHY.get(reason) or reason.replace("_", " ")


HOW_FAR: dict[str, str] = {
    SmtpPhase.CONNECT: "when it was called",
    SmtpPhase.GREETING: "before it had greeted",
    SmtpPhase.EHLO: "when we had told our name",
    SmtpPhase.TLS: "when we asked it to encrypt",
    SmtpPhase.AUTH: "when we logged in",
    SmtpPhase.MAIL: "when it had our address",
    SmtpPhase.RCPT: "when it had the reader's address",
    SmtpPhase.DATA: "before it took the text",
    SmtpPhase.BODY: "in the middle of the text",
    SmtpPhase.DOT: "after the whole text",
}


def server_in_words(code: int | None, reply: str | None, phase: str | None) -> str | None:
    """What the mail server said, and when; None: nothing went wrong with it."""
    if code is None and phase is None:
        return None
    when = f", {HOW_FAR[phase]}" if phase else ""
    return f"{code} {reply}{when}" if code is not None else f"nothing{when} ({reply})"


def through(relay: str | None) -> tuple[str, ...]:
    """Which way a mail took, where that is not the usual one."""
    return () if relay in (None, MAIN) else (f"through the relay {relay}",)


def entry_in_words(came_by: str) -> str:
    """How a lead came into a cadence; `came_by` as the row has it."""
    kind, _colon, name = came_by.partition(":")
    return {"step": "by a step of another cadence", "event": f"by the event {name}", "segment": f"by the segment {name}"}.get(
        kind, "by hand"
    )
