"""the accounts of calls and of callbacks

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


#: Callbacks that wait were verified, and name their account themselves: a form or JSON.
NAME_WAITING = """
UPDATE callback SET account = provider || ':' || coalesce(
  substring(raw FROM '(?:^|&)AccountSid=([A-Za-z0-9]+)'),
  substring(raw FROM '"AccountSid" *: *"([A-Za-z0-9]+)"'), '')
WHERE NOT applied
"""

#: Calls that may still be reported on were made with the account that their agent has now. Those
#: that have ended are left as they are: there may be millions.
NAME_OPEN = """
UPDATE attempt SET account = agent.account FROM message JOIN agent ON agent.key = message.agent_key
WHERE message.id = attempt.message_id
  AND (attempt.check_at IS NOT NULL OR attempt.status = 'unknown')
"""

KEEP_FORMER = """
CREATE FUNCTION keep_former_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO former_account (account, credentials) VALUES (OLD.account, OLD.credentials)
  ON CONFLICT (account) DO UPDATE SET credentials = excluded.credentials, replaced_at = now();
  RETURN NULL;
END $$;
CREATE TRIGGER agent_former_account AFTER UPDATE ON agent FOR EACH ROW
WHEN (OLD.credentials IS NOT NULL AND OLD.account <> NEW.account)
EXECUTE FUNCTION keep_former_account()
"""


def upgrade() -> None:
    # In the order in which whoever applies callbacks locks them: callbacks first, then attempts.
    op.add_column('callback', sa.Column('account', sa.Text(), server_default='', nullable=False))
    op.add_column('callback', sa.Column('stranger', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.execute(NAME_WAITING)
    # An API of the version before cannot store any more: it spools to disk, and the next one reads
    # that. A callback without an account would be nobody's.
    op.alter_column('callback', 'account', server_default=None)
    op.create_index('ix_callback_stranger', 'callback', ['received_at'], unique=False, postgresql_where=sa.text('stranger'))
    op.add_column('attempt', sa.Column('account', sa.Text(), nullable=True))
    op.execute(NAME_OPEN)
    op.create_table('former_account',
    sa.Column('account', sa.Text(), nullable=False),
    sa.Column('credentials', sa.LargeBinary(), nullable=False),
    sa.Column('replaced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('account', name=op.f('pk_former_account'))
    )
    op.execute(KEEP_FORMER)


def downgrade() -> None:
    raise RuntimeError("migrations go forwards only: restore the backup instead")
