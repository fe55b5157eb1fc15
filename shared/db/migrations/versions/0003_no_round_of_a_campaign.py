"""no round of a campaign: a message has one, and nothing ever asked a campaign for its

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column('campaign', 'round')


def downgrade() -> None:
    raise RuntimeError("migrations go forwards only: restore the backup instead")
