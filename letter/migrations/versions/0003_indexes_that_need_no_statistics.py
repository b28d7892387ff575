"""Indexes that a database finds without statistics, too: SQLite keeps none unless somebody asks it to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("uq_signature_place", table_name="signature")
    where = sa.text("place IS NOT NULL")
    columns = ["letter_id", "place"]
    op.create_index("uq_signature_place", "signature", columns, unique=True, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_signature_desk", "signature", ["letter_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_signature_desk", table_name="signature")
    op.drop_index("uq_signature_place", table_name="signature")
    op.create_index("uq_signature_place", "signature", ["letter_id", "place"], unique=True)
