"""Tallies in place of counting, and an order in which mails go out."""

import sqlalchemy as sa
from alembic import op

from letter.columns import Id

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

POSTS = ("waiting", "leased", "sent", "failed", "dropped")


def upgrade() -> None:
    op.add_column("signature", sa.Column("flagged", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("signature", sa.Column("bounced", sa.String(length=20), nullable=False, server_default=sa.text("''")))
    op.execute(
        "UPDATE signature SET flagged = true"
        " WHERE EXISTS (SELECT 1 FROM flag WHERE flag.signature_id = signature.id AND flag.resolution IS NULL)"
    )
    op.drop_index("ix_outbox_due", table_name="outbox")
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="0"))
        batch.alter_column("state", existing_type=_posts(*POSTS), type_=_posts(*POSTS, "bounced"))
    op.execute("UPDATE outbox SET priority = 1 WHERE kind <> 'confirm'")
    _index("ix_outbox_waiting", "state = 'waiting'", "priority", "due_at", "id")
    _index("ix_outbox_leased", "state = 'leased'", "due_at", "id")
    op.create_table(
        "tally",
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally")),
        sa.UniqueConstraint("letter_id", "name", name=op.f("uq_tally_letter_id_name")),
    )
    op.create_table(
        "tally_delta",
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_delta")),
    )
    op.create_index(op.f("ix_tally_delta_letter_id"), "tally_delta", ["letter_id"], unique=False)
    op.execute(
        "INSERT INTO tally (letter_id, name, number) SELECT letter_id, state || ' ' || display"
        " || CASE WHEN place IS NULL THEN ' later' ELSE ' first' END"
        " || CASE WHEN confirmed_at IS NULL THEN ' -' ELSE ' mail' END"
        " || CASE WHEN flagged THEN ' flagged' ELSE ' -' END AS sort, COUNT(*)"
        " FROM signature WHERE state NOT IN ('pending', 'expired') GROUP BY letter_id, sort"
    )


def downgrade() -> None:
    op.drop_table("tally_delta")
    op.drop_table("tally")
    op.drop_index("ix_outbox_leased", table_name="outbox")
    op.drop_index("ix_outbox_waiting", table_name="outbox")
    op.execute("UPDATE outbox SET state = 'failed' WHERE state = 'bounced'")
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("state", existing_type=_posts(*POSTS, "bounced"), type_=_posts(*POSTS))
        batch.drop_column("priority")
    op.create_index("ix_outbox_due", "outbox", ["state", "due_at"], unique=False)
    with op.batch_alter_table("signature") as batch:
        batch.drop_column("bounced")
        batch.drop_column("flagged")


def _posts(*states: str) -> sa.Enum:
    return sa.Enum(*states, name="post", native_enum=False, create_constraint=True, length=20)


def _index(name: str, condition: str, *columns: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "outbox", list(columns), unique=False, sqlite_where=where, postgresql_where=where)
