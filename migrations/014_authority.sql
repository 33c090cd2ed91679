-- Who may undo what somebody ordered: who suspended an account, what a schedule was
-- made with, why one is paused, and schedules on the last day of the month.

-- Who suspended an account, 'owner' or 'admin'; only as much authority restores it.
-- A suspended account that does not say who was suspended by an administrator.
ALTER TABLE accounts ADD COLUMN suspended_by varchar(5);
-- That is no change of the account: its updated_at stays.
ALTER TABLE accounts DISABLE TRIGGER update_accounts_updated_at;
UPDATE accounts SET suspended_by = 'admin' WHERE status = 'suspended';
UPDATE accounts a SET suspended_by = 'owner'
  FROM (SELECT DISTINCT ON (resource_id) resource_id, user_id FROM audit_logs
         WHERE resource_type = 'account' AND action = 'ACCOUNT_UPDATED' AND details ->> 'status' = 'suspended'
         ORDER BY resource_id, created_at DESC, id DESC) newest
 WHERE newest.resource_id = a.id AND newest.user_id = a.user_id AND a.status = 'suspended';
ALTER TABLE accounts ENABLE TRIGGER update_accounts_updated_at;
ALTER TABLE accounts ADD CONSTRAINT accounts_suspended_by_known
    CHECK (suspended_by IS NULL OR suspended_by IN ('owner', 'admin') AND status = 'suspended') NOT VALID;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_suspended_by_known;

-- The key a schedule was made with, also when the key is gone; absent: its owner, logged in.
-- While it is paused, why.
ALTER TABLE wallstreet.schedules
    ADD COLUMN api_key_id uuid,
    ADD COLUMN pause_reason varchar(20),
    ADD COLUMN every_day varchar(4);
UPDATE wallstreet.schedules SET pause_reason = 'owner' WHERE status = 'paused';
UPDATE wallstreet.schedules s SET pause_reason = 'administrator'
  FROM (SELECT DISTINCT ON (resource_id) resource_id, user_id FROM audit_logs
         WHERE resource_type = 'schedule' AND action = 'SCHEDULE_UPDATED' AND details ->> 'status' = 'paused'
         ORDER BY resource_id, created_at DESC, id DESC) newest
 WHERE newest.resource_id = s.id AND newest.user_id <> s.user_id AND s.status = 'paused';
ALTER TABLE wallstreet.schedules
    ADD CONSTRAINT schedules_pause_known CHECK (
        pause_reason IS NULL
        OR status = 'paused' AND pause_reason IN (
            'owner', 'administrator', 'api_key_revoked', 'api_key_inactive', 'api_key_expired',
            'permission_lost', 'user_inactive', 'account_closed')),
    ADD CONSTRAINT schedules_day_known CHECK (
        every_day IS NULL OR (every_day = 'last' AND every_unit IN ('month', 'year')));

-- Closing an account looks for the schedules out of it, and for its owner's into it.
CREATE INDEX schedules_source ON wallstreet.schedules (account_id) WHERE status <> 'ended';
