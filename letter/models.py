"""Every table and constraint on one page. No behaviour."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from letter.columns import Id, Moment, choice, index_where

NAME_LENGTH = 120
AFFILIATION_LENGTH = 200
MOST = 2**63 - 1


class LetterState(StrEnum):
    """The life of a letter; signatures are taken while it is open."""

    DRAFT = "draft"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    DELIVERED = "delivered"
    ARCHIVED = "archived"


class Moderation(StrEnum):
    """Whether a confirmed name is published before or after a person has looked at it."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """Who signs."""

    PERSON = "person"
    ORGANISATION = "organisation"


class Display(StrEnum):
    """Who may read the name: everybody, the letter's recipients only, or nobody (it is counted)."""

    PUBLIC = "public"
    RECIPIENTS = "recipients"
    COUNTED = "counted"


class State(StrEnum):
    """The life of a signature."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    APPROVED = "approved"
    HELD = "held"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Evidence(StrEnum):
    """How a signature was verified."""

    NONE = "none"
    MAIL = "mail"
    DOMAIN = "domain"
    VOUCHED = "vouched"
    PAPER = "paper"


class Source(StrEnum):
    """Where a signature came from."""

    WEB = "web"
    IMPORT = "import"
    PAPER = "paper"


class Role(StrEnum):
    """What a person may do with a letter."""

    ORGANISER = "organiser"
    MODERATOR = "moderator"
    VIEWER = "viewer"


class Post(StrEnum):
    """The life of a mail in the outbox."""

    WAITING = "waiting"
    LEASED = "leased"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"
    BOUNCED = "bounced"


class Base(DeclarativeBase):
    """All tables; constraints are named so that migrations can name them too."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), str: sa.Text()}  # noqa: RUF012 - SQLAlchemy reads it from the class

    id: Mapped[int] = mapped_column(Id, primary_key=True)


class Letter(Base):
    """An appeal that can be signed."""

    __tablename__ = "letter"

    uid: Mapped[str] = mapped_column(sa.String(40), unique=True)
    slug: Mapped[str] = mapped_column(sa.String(80), unique=True)
    state: Mapped[LetterState] = mapped_column(choice(LetterState))
    default_language: Mapped[str] = mapped_column(sa.String(35))
    moderation: Mapped[Moderation] = mapped_column(choice(Moderation))
    affiliation_required: Mapped[bool] = mapped_column(default=False)
    organisations_welcome: Mapped[bool] = mapped_column(default=True)
    goal: Mapped[int | None]
    recipient_key: Mapped[str | None]
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    keep_until: Mapped[datetime | None]
    created_at: Mapped[datetime]

    texts: Mapped[list["LetterText"]] = relationship(back_populates="letter", order_by="LetterText.id")


class LetterText(Base):
    """One version of a letter in one language. Never changed once signed: a correction is a new version."""

    __tablename__ = "letter_text"

    letter_id: Mapped[int] = mapped_column(sa.ForeignKey("letter.id"))
    language: Mapped[str] = mapped_column(sa.String(35))
    version: Mapped[int]
    title: Mapped[str]
    body: Mapped[str]
    addressees: Mapped[str] = mapped_column(default="")
    sign_off: Mapped[str] = mapped_column(default="")
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]

    letter: Mapped[Letter] = relationship(back_populates="texts")
    __table_args__ = (sa.UniqueConstraint("letter_id", "language", "version"),)


LIVING_STATES = (State.CONFIRMED, State.APPROVED, State.HELD, State.REJECTED)
LIVING = "state IN ('confirmed', 'approved', 'held', 'rejected')"


class Signature(Base):
    """One person's or organisation's signature; a new submission is a new row."""

    __tablename__ = "signature"

    uid: Mapped[str] = mapped_column(sa.String(40), unique=True)
    letter_id: Mapped[int] = mapped_column(sa.ForeignKey("letter.id"))
    text_id: Mapped[int] = mapped_column(sa.ForeignKey("letter_text.id"))
    kind: Mapped[Kind] = mapped_column(choice(Kind))
    name: Mapped[str] = mapped_column(sa.String(NAME_LENGTH))
    affiliation: Mapped[str] = mapped_column(sa.String(AFFILIATION_LENGTH))
    display: Mapped[Display] = mapped_column(choice(Display), active_history=True)
    state: Mapped[State] = mapped_column(choice(State), active_history=True)
    evidence: Mapped[Evidence] = mapped_column(choice(Evidence))
    evidence_note: Mapped[str] = mapped_column(default="")
    source: Mapped[Source] = mapped_column(choice(Source))
    place: Mapped[int | None] = mapped_column(active_history=True)
    language: Mapped[str] = mapped_column(sa.String(35))
    wants_updates: Mapped[bool] = mapped_column(default=False)
    flagged: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), active_history=True)
    bounced: Mapped[str] = mapped_column(sa.String(20), default="", server_default=sa.text("''"))
    email_key: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32))
    email_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    sort_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    fold_key: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(active_history=True)
    decided_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    letter: Mapped[Letter] = relationship()
    text: Mapped[LetterText] = relationship()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        index_where("uq_signature_living", LIVING, "letter_id", "email_key", unique=True),
        # Only of those that have a place: SQLite would take it to look for all others, and sort a million of them.
        index_where("uq_signature_place", "place IS NOT NULL", "letter_id", "place", unique=True),
        sa.Index("ix_signature_desk", "letter_id", "id"),
        sa.Index("ix_signature_list", "letter_id", "state", "display", "sort_key", "uid"),
        sa.Index("ix_signature_queue", "letter_id", "state", "confirmed_at", "id"),
        sa.Index("ix_signature_email_key", "email_key"),
        sa.Index("ix_signature_expiry", "state", "expires_at"),
    )


class Flag(Base):
    """A reason to look twice at a signature, and what a person made of it."""

    __tablename__ = "flag"

    signature_id: Mapped[int] = mapped_column(sa.ForeignKey("signature.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    detail: Mapped[str] = mapped_column(default="")
    other_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signature.id", ondelete="CASCADE"))
    resolution: Mapped[str | None] = mapped_column(sa.String(40))
    person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
    created_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class Outbox(Base):
    """A mail that is due. It holds no text: the mail is built when it is sent, from the signature's own row."""

    __tablename__ = "outbox"

    kind: Mapped[str] = mapped_column(sa.String(40))
    signature_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signature.id", ondelete="CASCADE"), index=True)
    message_id: Mapped[str] = mapped_column(sa.String(200), unique=True)
    to_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    state: Mapped[Post] = mapped_column(choice(Post))
    priority: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease: Mapped[str | None] = mapped_column(sa.String(40))
    error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    signature: Mapped[Signature | None] = relationship()
    __table_args__ = (
        index_where("ix_outbox_waiting", "state = 'waiting'", "priority", "due_at", "id"),
        index_where("ix_outbox_leased", "state = 'leased'", "due_at", "id"),
    )


class Blocked(Base):
    """An address that said "not me": only its keyed hash, of one letter or of the whole instance."""

    __tablename__ = "blocked"

    email_key: Mapped[bytes] = mapped_column(sa.LargeBinary(32), unique=True)
    created_at: Mapped[datetime]


class Person(Base):
    """Somebody who works here: an organiser or a moderator."""

    __tablename__ = "person"

    uid: Mapped[str] = mapped_column(sa.String(40), unique=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    password_hash: Mapped[str | None]
    invite_hash: Mapped[str | None] = mapped_column(sa.String(64))
    invite_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Membership(Base):
    """A person's role for one letter, or for every letter where none is named."""

    __tablename__ = "membership"

    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
    letter_id: Mapped[int | None] = mapped_column(sa.ForeignKey("letter.id"))
    role: Mapped[Role] = mapped_column(choice(Role))

    person: Mapped[Person] = relationship()
    __table_args__ = (
        sa.UniqueConstraint("person_id", "letter_id"),
        index_where("uq_membership_everywhere", "letter_id IS NULL", "person_id", unique=True),
    )


class StaffSession(Base):
    """A sign-in on the server's side; the cookie holds only the key to it."""

    __tablename__ = "staff_session"

    key_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]

    person: Mapped[Person] = relationship()


class Batch(Base):
    """Signatures changed or brought in by one act, so that the act can be undone as one."""

    __tablename__ = "batch"

    letter_id: Mapped[int] = mapped_column(sa.ForeignKey("letter.id"))
    person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
    action: Mapped[str] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]

    steps: Mapped[list["BatchStep"]] = relationship(back_populates="batch", order_by="BatchStep.id")
    __table_args__ = (sa.Index("ix_batch_latest", "letter_id", "person_id", "id"),)


class BatchStep(Base):
    """What a batch did to one signature."""

    __tablename__ = "batch_step"

    batch_id: Mapped[int] = mapped_column(sa.ForeignKey("batch.id", ondelete="CASCADE"), index=True)
    signature_id: Mapped[int] = mapped_column(sa.ForeignKey("signature.id", ondelete="CASCADE"), index=True)
    before: Mapped[State | None] = mapped_column(sa.String(20))
    after: Mapped[State] = mapped_column(sa.String(20))
    found_version: Mapped[int]
    version: Mapped[int]

    batch: Mapped[Batch] = relationship(back_populates="steps")
    signature: Mapped[Signature] = relationship()


class Audit(Base):
    """Who did what, chained by hash, with no personal data in it."""

    __tablename__ = "audit"

    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    action: Mapped[str] = mapped_column(sa.String(60))
    letter_id: Mapped[int | None] = mapped_column(sa.ForeignKey("letter.id"), index=True)
    subject: Mapped[str] = mapped_column(sa.String(200))
    detail: Mapped[str]
    previous: Mapped[str] = mapped_column(sa.String(64))
    sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)


class Limit(Base):
    """How often something happened within a window; the name is a keyed hash where it stands for a person."""

    __tablename__ = "limit"

    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class Tally(Base):
    """How many there are of one sort; letter 0 is the instance. Added up from `tally_delta` by the worker."""

    __tablename__ = "tally"

    letter_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str] = mapped_column(sa.String(80))
    number: Mapped[int] = mapped_column(Id)

    __table_args__ = (sa.UniqueConstraint("letter_id", "name"),)


class TallyDelta(Base):
    """A change of a number: added, never changed, so that no two writers wait for one row."""

    __tablename__ = "tally_delta"

    letter_id: Mapped[int] = mapped_column(Id, index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    number: Mapped[int] = mapped_column(Id)


class About(Base):
    """A fact about the instance itself, such as the version of the sorting rules its keys were made with."""

    __tablename__ = "about"

    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    value: Mapped[str]
