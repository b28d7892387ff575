"""The first tables."""

import sqlalchemy as sa
from alembic import op

from letter.columns import Id, Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "about",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_about")),
        sa.UniqueConstraint("name", name=op.f("uq_about_name")),
    )
    op.create_table(
        "blocked",
        sa.Column("email_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked")),
        sa.UniqueConstraint("email_key", name=op.f("uq_blocked_email_key")),
    )
    op.create_table(
        "letter",
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "open",
                "paused",
                "closed",
                "delivered",
                "archived",
                name="letterstate",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("default_language", sa.String(length=35), nullable=False),
        sa.Column(
            "moderation",
            sa.Enum("before", "after", name="moderation", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("affiliation_required", sa.Boolean(), nullable=False),
        sa.Column("organisations_welcome", sa.Boolean(), nullable=False),
        sa.Column("goal", sa.Integer(), nullable=True),
        sa.Column("recipient_key", sa.Text(), nullable=True),
        sa.Column("opens_at", Moment(), nullable=True),
        sa.Column("closes_at", Moment(), nullable=True),
        sa.Column("keep_until", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sa.UniqueConstraint("slug", name=op.f("uq_letter_slug")),
        sa.UniqueConstraint("uid", name=op.f("uq_letter_uid")),
    )
    op.create_table(
        "limit",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limit")),
        sa.UniqueConstraint("name", name=op.f("uq_limit_name")),
    )
    op.create_index(op.f("ix_limit_ends_at"), "limit", ["ends_at"], unique=False)
    op.create_table(
        "person",
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("invite_hash", sa.String(length=64), nullable=True),
        sa.Column("invite_until", Moment(), nullable=True),
        sa.Column("disabled_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
        sa.UniqueConstraint("uid", name=op.f("uq_person_uid")),
    )
    op.create_table(
        "audit",
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("letter_id", Id, nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_audit_letter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("sha256", name=op.f("uq_audit_sha256")),
    )
    op.create_index(op.f("ix_audit_letter_id"), "audit", ["letter_id"], unique=False)
    op.create_table(
        "batch",
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("person_id", Id, nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("undone_at", Moment(), nullable=True),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_batch_letter_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_batch_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_index("ix_batch_latest", "batch", ["letter_id", "person_id", "id"], unique=False)
    op.create_table(
        "letter_text",
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("addressees", sa.Text(), nullable=False),
        sa.Column("sign_off", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_letter_text_letter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_text")),
        sa.UniqueConstraint("letter_id", "language", "version", name=op.f("uq_letter_text_letter_id_language_version")),
    )
    op.create_table(
        "membership",
        sa.Column("person_id", Id, nullable=False),
        sa.Column("letter_id", Id, nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "organiser", "moderator", "viewer", name="role", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_membership_letter_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_membership_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("person_id", "letter_id", name=op.f("uq_membership_person_id_letter_id")),
    )
    op.create_index(
        "uq_membership_everywhere",
        "membership",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("letter_id IS NULL"),
        postgresql_where=sa.text("letter_id IS NULL"),
    )
    op.create_table(
        "staff_session",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", Id, nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_staff_session_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_session")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_staff_session_key_hash")),
    )
    op.create_index(op.f("ix_staff_session_person_id"), "staff_session", ["person_id"], unique=False)
    op.create_table(
        "signature",
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("text_id", Id, nullable=False),
        sa.Column(
            "kind",
            sa.Enum("person", "organisation", name="kind", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("affiliation", sa.String(length=200), nullable=False),
        sa.Column(
            "display",
            sa.Enum(
                "public", "recipients", "counted", name="display", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "confirmed",
                "approved",
                "held",
                "rejected",
                "withdrawn",
                "expired",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column(
            "evidence",
            sa.Enum(
                "none",
                "mail",
                "domain",
                "vouched",
                "paper",
                name="evidence",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("evidence_note", sa.Text(), nullable=False),
        sa.Column(
            "source",
            sa.Enum("web", "import", "paper", name="source", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("wants_updates", sa.Boolean(), nullable=False),
        sa.Column("email_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("email_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sort_key", sa.LargeBinary(), nullable=False),
        sa.Column("fold_key", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("confirmed_at", Moment(), nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_signature_letter_id")),
        sa.ForeignKeyConstraint(["text_id"], ["letter_text.id"], name=op.f("fk_signature_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature")),
        sa.UniqueConstraint("uid", name=op.f("uq_signature_uid")),
    )
    op.create_index("ix_signature_email_key", "signature", ["email_key"], unique=False)
    op.create_index("ix_signature_expiry", "signature", ["state", "expires_at"], unique=False)
    op.create_index(
        "ix_signature_list", "signature", ["letter_id", "state", "display", "sort_key", "uid"], unique=False
    )
    op.create_index("ix_signature_queue", "signature", ["letter_id", "state", "confirmed_at", "id"], unique=False)
    op.create_index(
        "uq_signature_living",
        "signature",
        ["letter_id", "email_key"],
        unique=True,
        sqlite_where=sa.text("state IN ('confirmed', 'approved', 'held', 'rejected')"),
        postgresql_where=sa.text("state IN ('confirmed', 'approved', 'held', 'rejected')"),
    )
    op.create_index("uq_signature_place", "signature", ["letter_id", "place"], unique=True)
    op.create_table(
        "batch_step",
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("signature_id", Id, nullable=False),
        sa.Column("before", sa.String(length=20), nullable=True),
        sa.Column("after", sa.String(length=20), nullable=False),
        sa.Column("found_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_step_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signature.id"], name=op.f("fk_batch_step_signature_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_step")),
    )
    op.create_index(op.f("ix_batch_step_batch_id"), "batch_step", ["batch_id"], unique=False)
    op.create_index(op.f("ix_batch_step_signature_id"), "batch_step", ["signature_id"], unique=False)
    op.create_table(
        "flag",
        sa.Column("signature_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("other_id", Id, nullable=True),
        sa.Column("resolution", sa.String(length=40), nullable=True),
        sa.Column("person_id", Id, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("resolved_at", Moment(), nullable=True),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["signature.id"], name=op.f("fk_flag_other_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_flag_person_id")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signature.id"], name=op.f("fk_flag_signature_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag")),
    )
    op.create_index(op.f("ix_flag_signature_id"), "flag", ["signature_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("signature_id", Id, nullable=True),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("to_sealed", sa.LargeBinary(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "leased",
                "sent",
                "failed",
                "dropped",
                name="post",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("lease", sa.String(length=40), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("sent_at", Moment(), nullable=True),
        sa.Column("id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signature.id"], name=op.f("fk_outbox_signature_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "due_at"], unique=False)
    op.create_index(op.f("ix_outbox_signature_id"), "outbox", ["signature_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_outbox_signature_id"), table_name="outbox")
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_flag_signature_id"), table_name="flag")
    op.drop_table("flag")
    op.drop_index(op.f("ix_batch_step_signature_id"), table_name="batch_step")
    op.drop_index(op.f("ix_batch_step_batch_id"), table_name="batch_step")
    op.drop_table("batch_step")
    op.drop_index("uq_signature_place", table_name="signature")
    op.drop_index(
        "uq_signature_living",
        table_name="signature",
        sqlite_where=sa.text("state IN ('confirmed', 'approved', 'held', 'rejected')"),
        postgresql_where=sa.text("state IN ('confirmed', 'approved', 'held', 'rejected')"),
    )
    op.drop_index("ix_signature_queue", table_name="signature")
    op.drop_index("ix_signature_list", table_name="signature")
    op.drop_index("ix_signature_expiry", table_name="signature")
    op.drop_index("ix_signature_email_key", table_name="signature")
    op.drop_table("signature")
    op.drop_index(op.f("ix_staff_session_person_id"), table_name="staff_session")
    op.drop_table("staff_session")
    op.drop_index(
        "uq_membership_everywhere",
        table_name="membership",
        sqlite_where=sa.text("letter_id IS NULL"),
        postgresql_where=sa.text("letter_id IS NULL"),
    )
    op.drop_table("membership")
    op.drop_table("letter_text")
    op.drop_index("ix_batch_latest", table_name="batch")
    op.drop_table("batch")
    op.drop_index(op.f("ix_audit_letter_id"), table_name="audit")
    op.drop_table("audit")
    op.drop_table("person")
    op.drop_index(op.f("ix_limit_ends_at"), table_name="limit")
    op.drop_table("limit")
    op.drop_table("letter")
    op.drop_table("blocked")
    op.drop_table("about")
