-- Nobody is further below zero than allowed.
SELECT 'account ' || id, 'available balance', available_balance::text, 'at least ' || -overdraft_limit
  FROM accounts WHERE available_balance < -overdraft_limit
