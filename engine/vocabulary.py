"""Every closed choice of the product and the moves between its states, on one page.

Nothing comes before this module; the schema, the YAML and the reports all use these words and no others.
"""

from enum import StrEnum


class Stream(StrEnum):
    """Why a mail goes out, which decides what may stop it."""

    MARKETING = "marketing"  # asked for by a cadence: needs consent, obeys caps and every suppression
    TRANSACTIONAL = "transactional"  # asked for by the recipient's own act: only a suppression of everything stops it
    INTERNAL = "internal"  # to a rep, about a lead


class StepKind(StrEnum):
    """What an instruction of a cadence does."""

    EMAIL = "email"  # send one email
    TASK = "task"  # ask a rep to do something
    WAIT = "wait"  # let time pass, or wait for an event until a timeout
    BRANCH = "branch"  # go one of two ways by a condition
    GOAL = "goal"  # leave as a success
    SPLIT = "split"  # go one of several ways, drawn by chance and for good
    SET = "set"  # write fields of the lead
    WEBHOOK = "webhook"  # tell another system
    RAISE = "raise"  # raise the lead's hand to sales
    ENTER = "enter"  # begin another cadence beside this one
    LEAVE = "leave"  # end the passage with a reason


class Late(StrEnum):
    """What becomes of a mail that we are later with than it bears."""

    SEND = "send"  # it goes out all the same
    SHIFT = "shift"  # it goes out, and all that follows moves by as many days
    SKIP = "skip"  # it does not go out, and the passage goes on


class EnrolmentState(StrEnum):
    """One lead's passage through a cadence. active ⇄ suspended; both → finished | left."""

    ACTIVE = "active"  # has one open touch
    SUSPENDED = "suspended"  # sales has the lead: its open touch has no due time
    FINISHED = "finished"  # reached the end or a goal
    LEFT = "left"  # an exit, an opt-out or a person took the lead out; `reason` says which


LIVE_ENROLMENT = (EnrolmentState.ACTIVE, EnrolmentState.SUSPENDED)


class TouchState(StrEnum):
    """The row that decides. waiting → claimed → sending → done; waiting | claimed | sending → skipped | left."""

    WAITING = "waiting"  # due at `due_at`; NULL while the enrolment is suspended
    CLAIMED = "claimed"  # a process holds it under a lease
    SENDING = "sending"  # its send is not yet terminal
    DONE = "done"  # it did what the step says
    SKIPPED = "skipped"  # it did not, and `reason` says why; the passage goes on
    LEFT = "left"  # the passage ended before it


OPEN_TOUCH = (TouchState.WAITING, TouchState.CLAIMED, TouchState.SENDING)


class SendState(StrEnum):
    """The row that delivers. ready → claimed → attempting → accepted | refused | unknown; a 4xx → ready again."""

    READY = "ready"  # may be attempted from `due_at` on
    CLAIMED = "claimed"  # a process holds it; nothing has been said to a mail server
    ATTEMPTING = "attempting"  # committed before the final dot: from here a crash means unknown
    ACCEPTED = "accepted"  # a 2xx after the final dot
    REFUSED = "refused"  # a permanent refusal, or temporary ones for too long
    UNKNOWN = "unknown"  # the dot was perhaps written and no answer read; never sent again by itself
    CANCELLED = "cancelled"  # stopped before the wire; `reason` says why


TERMINAL_SEND = (SendState.ACCEPTED, SendState.REFUSED, SendState.UNKNOWN, SendState.CANCELLED)
CAP_HOLDING_SEND = (SendState.ATTEMPTING, SendState.ACCEPTED, SendState.UNKNOWN)


class ReactionState(StrEnum):
    """That an event has yet to be reacted to. waiting → claimed → done."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"


class HandoffState(StrEnum):
    """A raised hand. raised → accepted | declined; accepted → closed | declined."""

    RAISED = "raised"  # sales was told and has not answered
    ACCEPTED = "accepted"  # a rep has taken the lead
    DECLINED = "declined"  # back to nurture
    CLOSED = "closed"  # sales is through with it, won or lost


OPEN_HANDOFF = (HandoffState.RAISED, HandoffState.ACCEPTED)


class PostState(StrEnum):
    """A webhook step's message to another system. ready → claimed → done | failed; what may heal → ready again."""

    READY = "ready"
    CLAIMED = "claimed"
    DONE = "done"  # answered with a 2xx
    FAILED = "failed"  # refused for good, or tried for too long


class TaskState(StrEnum):
    """Something a cadence asks of a rep. open → done | not_needed | dropped."""

    OPEN = "open"
    DONE = "done"
    NOT_NEEDED = "not_needed"  # so the rep says
    DROPPED = "dropped"  # the passage ended first


class Ask(StrEnum):
    """What a rep is asked for an answer to: by a mail, a page and a command."""

    HANDOFF = "handoff"
    TASK = "task"


class Consent(StrEnum):
    """What a lead said about being written to on a topic."""

    GRANTED = "granted"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class NotEnrolled(StrEnum):
    """Why a lead that was to be enrolled was left out."""

    NO_LEAD = "no_lead"  # there is none with that key
    INSIDE = "inside"  # in this cadence already
    NO_ADDRESS = "no_address"
    SUPPRESSED = "suppressed"  # the address must not be written to
    CONSENT_REFUSED = "consent_refused"
    CONSENT_UNKNOWN = "consent_unknown"  # and the workspace holds marketing mail back then
    HAD_BEFORE = "had_before"  # has been through it, and `reentry` does not let it in again (yet)
    CONDITION = "condition"  # the event happened, but the condition beside it did not hold


class PauseKind(StrEnum):
    """What is held back until somebody says otherwise."""

    ALL = "all"  # nothing goes out, whoever waits for it
    MARKETING = "marketing"  # all of it
    CADENCE = "cadence"  # its passages stand still
    RELAY = "relay"  # others take over, where one fits
    DOMAIN = "domain"  # mail to it waits
    RESTORED = "restored"  # nothing goes out: the database may be older than the world, see `engine.processes.restored`
    RESUMING = "resuming"  # holds nothing: a cadence whose passages are being taken up again


class Scope(StrEnum):
    """How much a suppression stops. A topic's scope is written `topic:<name>`, see `topic_scope`."""

    MARKETING = "marketing"
    EVERYTHING = "everything"


def topic_scope(topic: str) -> str:
    """The scope of a suppression of one topic."""
    return f"topic:{topic}"


class Origin(StrEnum):
    """Who caused an event, as far as we can tell. Machines are labelled, never dropped and never trusted."""

    HUMAN = "human"
    MACHINE = "machine"  # a scanner, a proxy, an auto-reply
    UNSURE = "unsure"  # held until later events decide


class EventType(StrEnum):
    """What may be observed. `events.yaml` adds the workspace's own types, which sites and shops post."""

    ACCEPTED = "accepted"  # a mail server took a mail
    REFUSED = "refused"  # a mail server permanently refused it
    OPENED = "opened"  # the pixel was fetched
    CLICKED = "clicked"  # a link was followed
    REPLIED = "replied"  # a person answered
    AUTO_REPLIED = "auto_replied"  # a machine answered (RFC 3834)
    BOUNCED = "bounced"  # a hard bounce came back later (RFC 3464)
    SOFT_BOUNCED = "soft_bounced"  # a bounce that may heal
    COMPLAINED = "complained"  # marked as spam (RFC 5965)
    UNSUBSCRIBED = "unsubscribed"  # opted out; `data.scope` says of what
    VISITED = "visited"  # a page of the site was seen
    FORM_SUBMITTED = "form_submitted"  # a form was sent
    PURCHASED = "purchased"  # something was bought
    IMPORTED = "imported"  # the lead came in by a file
    HANDOFF_ACCEPTED = "handoff_accepted"  # sales took the lead
    HANDOFF_DECLINED = "handoff_declined"  # sales gave it back
    HANDOFF_CLOSED = "handoff_closed"  # sales is through with it
    TASK_DONE = "task_done"  # sales did what a cadence asked for
    TASK_NOT_NEEDED = "task_not_needed"  # sales says that it need not be done


class SmtpPhase(StrEnum):
    """How far a mail had come with a mail server when that failed."""

    CONNECT = "connect"  # the name, the way to it, somebody who listens
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"  # encryption and the certificate
    AUTH = "auth"  # user and password, or a token
    MAIL = "mail"  # our own address
    RCPT = "rcpt"  # the reader's
    DATA = "data"  # it was about to take the text
    BODY = "body"  # a part of the text was written, not all
    DOT = "dot"  # all of it was written: only the server knows whether it has the mail


class Reason(StrEnum):
    """Why a touch or a send did not happen, or why a lead left. Every non-send has one."""

    # a touch was skipped
    SENT_BEFORE = "sent_before"  # this lead got this step in an earlier passage
    BRANCH = "branch"  # the other way was taken
    LATE = "late"  # past what the step or the email bears
    CONSENT = "consent"  # not granted for the topic
    SUPPRESSED = "suppressed"  # the address must not be written to, or the lead refused the topic after the mail was asked for
    NO_ADDRESS = "no_address"  # the lead has none that can be written to
    TIMEOUT = "timeout"  # a wait ended without its event
    SHADOW = "shadow"
    HOLDOUT = "holdout"
    REMOVED = "removed"  # what it is about is not there any more: the step in the lead's version, a webhook in the workspace
    WITH_SALES = "with_sales"  # the lead's hand is up already
    NO_REP = "no_rep"  # there is nobody to hand a lead to
    NO_CADENCE = "no_cadence"  # the cadence to be entered is not there (any more)
    NO_FIELD = "no_field"  # leads.yaml no longer has the field, or not of this type
    SAME_MAIL = "same_mail"  # this passage had the same, when its step had another id
    # a touch or a send was moved
    WINDOW = "window"
    CATCH_UP = "catch_up"  # held up while nothing ran, and let out little by little
    CAP = "cap"
    OUTRANKED = "outranked"  # another mail to the same person goes first
    TEMPORARY = "temporary"  # a 4xx; `smtp_reply` has the text
    PAUSED = "paused"
    DOMAIN_PAUSED = "domain_paused"  # the recipient's provider turns our mail away for now
    PACED = "paced"  # its provider gets only so many mails an hour
    RELAY_AWAY = "relay_away"  # no relay that fits can be reached, or it will not have us
    NO_RELAY = "no_relay"  # the process that had it knows the address of no relay that takes such mail
    WARM_UP = "warm_up"  # a new relay carries only so many mails a day
    UNKNOWN_ONCE = "unknown_once"  # a transactional mail without an answer: sent once more, identical
    # a lead left a cadence
    REPLIED = "replied"
    PURCHASED = "purchased"
    GOAL = "goal"
    END = "end"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    EXIT = "exit"  # a condition under `exits:` held
    HANDOFF = "handoff"
    BY_HAND = "by_hand"
    ERASED = "erased"
    # a send ended badly
    PERMANENT = "permanent"  # a 5xx; `smtp_reply` has the text
    TOO_OLD = "too_old"  # it was put off for longer than we try
    NO_ANSWER = "no_answer"  # nothing was read after the final dot
    WORKER_DIED = "worker_died"  # the process stopped between the mark and the record
    RESTORED = "restored"  # what ran before the database was restored perhaps sent it
    TEMPLATE_ERROR = "template_error"
    ADDRESS_CHANGED = "address_changed"
    ENROLMENT_ENDED = "enrolment_ended"
    QUARANTINED = "quarantined"  # claimed three times and never finished
    # a post failed
    REJECTED = "rejected"  # the other system said no; `answer` has its words
    FORBIDDEN = "forbidden"  # the address is none that we may write to
