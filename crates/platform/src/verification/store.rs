//! What is compared, as statements over the whole book.
//!
//! Each yields a row for each difference: `subject` (which thing), `what` differs,
//! what is `stored` and what was `recomputed`, at most the first 100, and `total`,
//! how many there are. None writes; all run in one snapshot. They read each table
//! once and sort or hash it, so their cost grows with the book and no faster.

use crate::db::statements;

/// The frame around a statement that finds `subject, what, stored, recomputed`.
macro_rules! first {
    ($found:expr) => {
        concat!(
            "SELECT subject, what, stored, recomputed, count(*) OVER () AS total FROM (",
            $found,
            ") AS found (subject, what, stored, recomputed) ORDER BY subject, what LIMIT 100"
        )
    };
}

/// Both sides of every entry: whose, its place, what moved, what was left.
macro_rules! sides {
    () => {
        "SELECT id, source_id AS account, source_seq AS seq, -amount AS moved, source_balance AS balance,
                recorded_at FROM wallstreet.entries
         UNION ALL
         SELECT id, target_id, target_seq, amount, target_balance, recorded_at FROM wallstreet.entries"
    };
}

statements! {
    /// How much is looked at.
    SIZE = "SELECT (SELECT count(*) FROM accounts) AS accounts,
               (SELECT count(*) FROM transactions) AS transactions,
               (SELECT count(*) FROM wallstreet.entries) AS entries,
               (SELECT count(*) FROM wallstreet.seals) AS seals,
               (SELECT coalesce(max(last_entry), 0) FROM wallstreet.seals) AS sealed_up_to";
    /// One server at a time, until the end of the transaction.
    LOCK = "SELECT pg_try_advisory_xact_lock(2779183160424450937)";
    /// A balance is the sum of the entries, and the account counts them.
    BALANCES = first!(concat!("
        SELECT 'account ' || coalesce(a.id, s.account), f.what, f.stored, f.recomputed
          FROM accounts a
          FULL JOIN (SELECT account, sum(moved) AS balance, count(*) AS entries FROM (", sides!(), ") AS sides
                      GROUP BY account) AS s ON s.account = a.id
         CROSS JOIN LATERAL (VALUES
            ('balance', a.balance::text, coalesce(s.balance, 0.00)::text,
             a.balance IS DISTINCT FROM coalesce(s.balance, 0)),
            ('number of entries', a.entry_count::text, coalesce(s.entries, 0)::text,
             a.entry_count IS DISTINCT FROM coalesce(s.entries, 0))) AS f (what, stored, recomputed, differs)
         -- The bank's own accounts have no row; their ids are UUIDs of version 8.
         WHERE f.differs AND (a.id IS NOT NULL OR substr(s.account::text, 15, 1) <> '8')"));
    /// Every entry of an account follows the one before.
    HISTORIES = first!(concat!("
        SELECT format('account %s, entry %s', h.account, h.id), f.what, f.stored, f.recomputed
          FROM (SELECT *, coalesce(lag(seq) OVER history, 0) AS earlier_seq,
                       coalesce(lag(balance) OVER history, 0.00) AS earlier_balance,
                       lag(recorded_at) OVER history AS earlier_at, lag(id) OVER history AS earlier_id
                  FROM (", sides!(), ") AS sides WHERE seq IS NOT NULL
                WINDOW history AS (PARTITION BY account ORDER BY seq)) AS h
         CROSS JOIN LATERAL (VALUES
            ('sequence', h.seq::text, (h.earlier_seq + 1)::text, h.seq <> h.earlier_seq + 1),
            ('running balance', h.balance::text, (h.earlier_balance + h.moved)::text,
             h.balance IS DISTINCT FROM h.earlier_balance + h.moved),
            ('recorded at', h.recorded_at::text, 'not before ' || h.earlier_at, h.recorded_at < h.earlier_at),
            ('entry id', h.id::text, 'more than ' || h.earlier_id, h.id < h.earlier_id))
               AS f (what, stored, recomputed, differs)
         WHERE (h.seq <> h.earlier_seq + 1 OR h.balance IS DISTINCT FROM h.earlier_balance + h.moved
                OR h.recorded_at < h.earlier_at OR h.id < h.earlier_id) AND f.differs"));
    /// Both sides of an entry are accounts of its currency, with a place in the
    /// history if they have a row.
    ENTRIES = first!("
        SELECT 'entry ' || e.id, f.what, f.stored, f.recomputed
          FROM wallstreet.entries e
          LEFT JOIN accounts s ON s.id = e.source_id
          LEFT JOIN accounts t ON t.id = e.target_id
         CROSS JOIN LATERAL (VALUES
            ('source', e.source_id::text, 'an account, or one of the bank', (s.id IS NULL) <> (e.source_seq IS NULL)),
            ('target', e.target_id::text, 'an account, or one of the bank', (t.id IS NULL) <> (e.target_seq IS NULL)),
            ('currency', e.currency::text, coalesce(s.currency, 'in the id of ' || e.source_id),
             CASE WHEN e.source_seq IS NULL THEN encode(e.currency::bytea, 'hex') <> right(e.source_id::text, 6)
                  ELSE s.currency <> e.currency END),
            ('currency', e.currency::text, coalesce(t.currency, 'in the id of ' || e.target_id),
             CASE WHEN e.target_seq IS NULL THEN encode(e.currency::bytea, 'hex') <> right(e.target_id::text, 6)
                  ELSE t.currency <> e.currency END)) AS f (what, stored, recomputed, differs)
         WHERE ((s.id IS NULL) <> (e.source_seq IS NULL) OR (t.id IS NULL) <> (e.target_seq IS NULL)
                OR CASE WHEN e.source_seq IS NULL THEN encode(e.currency::bytea, 'hex') <> right(e.source_id::text, 6)
                        ELSE s.currency <> e.currency END
                OR CASE WHEN e.target_seq IS NULL THEN encode(e.currency::bytea, 'hex') <> right(e.target_id::text, 6)
                        ELSE t.currency <> e.currency END) AND f.differs");
    /// What a transaction moved on its account is what its state says. An entry
    /// between two accounts names one half of a transfer and moves both.
    TRANSACTIONS = first!("
        SELECT 'transaction ' || coalesce(t.id, m.leg), 'moved by its entries', coalesce(w.wanted, 0.00)::text,
               coalesce(m.moved, 0.00)::text
          FROM transactions t
          FULL JOIN (
               SELECT coalesce(CASE WHEN n.account_id = side.account THEN n.id ELSE n.paired_transaction_id END,
                               e.transaction_id) AS leg, sum(side.moved) AS moved
                 FROM wallstreet.entries e
                 LEFT JOIN transactions n ON n.id = e.transaction_id
                CROSS JOIN LATERAL (VALUES (e.source_id, e.source_seq, -e.amount), (e.target_id, e.target_seq, e.amount))
                      AS side (account, seq, moved)
                WHERE side.seq IS NOT NULL GROUP BY 1) AS m ON m.leg = t.id
         CROSS JOIN LATERAL (SELECT CASE t.direction WHEN 'out' THEN -1 ELSE 1 END
               * CASE t.status WHEN 'completed' THEN coalesce(t.captured_amount, t.amount)
                      ELSE coalesce(t.captured_amount, 0.00) END AS wanted) AS w
         -- Rows without a direction were written without the platform and move nothing.
         WHERE (t.id IS NULL OR t.direction IS NOT NULL) AND coalesce(m.moved, 0) IS DISTINCT FROM coalesce(w.wanted, 0)");
    /// The two halves of a transfer name each other and stand alike.
    HALVES = first!("
        SELECT 'transaction ' || coalesce(o.id, i.id), f.what, f.stored, f.recomputed
          FROM (SELECT * FROM transactions WHERE transaction_type = 'transfer' AND direction = 'out') AS o
          FULL JOIN (SELECT * FROM transactions WHERE transaction_type = 'transfer' AND direction = 'in') AS i
               ON i.id = o.paired_transaction_id AND i.paired_transaction_id = o.id
          LEFT JOIN wallstreet.exchanges x ON x.transaction_id = o.id
         CROSS JOIN LATERAL (VALUES
            ('other half', coalesce(o.paired_transaction_id, i.paired_transaction_id)::text, 'one that names it',
             o.id IS NULL OR i.id IS NULL),
            ('accounts', format('%s and %s', o.account_id, o.counterparty_account_id),
             format('%s and %s', i.counterparty_account_id, i.account_id),
             (o.account_id, o.counterparty_account_id) IS DISTINCT FROM (i.counterparty_account_id, i.account_id)),
            ('status', o.status::text, i.status::text, o.status IS DISTINCT FROM i.status),
            ('amounts', format('%s and %s %s', o.amount, i.amount, i.currency), 'alike, or those of the exchange',
             CASE WHEN x.transaction_id IS NULL
                  THEN (o.amount, o.currency) IS DISTINCT FROM (i.amount, i.currency)
                    OR o.captured_amount IS DISTINCT FROM i.captured_amount
                  ELSE (o.amount, o.currency, i.amount, i.currency) IS DISTINCT FROM
                       (x.source_amount, x.source_currency, x.target_amount, x.target_currency) END))
               AS f (what, stored, recomputed, differs)
         WHERE f.differs AND (f.what = 'other half' OR o.id IS NOT NULL AND i.id IS NOT NULL)");
    /// What was given back of a transaction is the sum of its reversals; each
    /// half of a transfer has its own.
    REVERSALS = first!("
        SELECT 'transaction ' || coalesce(t.id, r.id), 'reversed', t.reversed_amount::text,
               coalesce(r.reversed, 0.00)::text
          FROM transactions t
          FULL JOIN (SELECT reverses_transaction_id AS id, sum(amount) AS reversed FROM transactions
                      WHERE reverses_transaction_id IS NOT NULL AND status = 'completed'
                      GROUP BY reverses_transaction_id) AS r ON r.id = t.id
         WHERE t.reversed_amount IS DISTINCT FROM coalesce(r.reversed, 0)");
    /// What is available is the balance without what pending outgoing
    /// transactions still hold.
    HOLDS = first!("
        SELECT 'account ' || a.id, 'available balance', a.available_balance::text,
               (a.balance - coalesce(h.held, 0))::text
          FROM accounts a
          LEFT JOIN (SELECT account_id, sum(amount - coalesce(captured_amount, 0)) AS held FROM transactions
                      WHERE status = 'pending' AND direction = 'out' GROUP BY account_id) AS h ON h.account_id = a.id
         WHERE a.available_balance IS DISTINCT FROM a.balance - coalesce(h.held, 0)");
    /// Nobody is further below zero than allowed.
    LIMITS = first!("
        SELECT 'account ' || id, 'available balance', available_balance::text, 'at least ' || -overdraft_limit
          FROM accounts WHERE available_balance < -overdraft_limit");
    /// All that accounts hold came from the bank's own accounts.
    CURRENCIES = first!("
        SELECT 'currency ' || currency, 'sum of all accounts', sum(sum)::text, '0.00'
          FROM (SELECT currency, sum(balance) FROM accounts GROUP BY currency
                UNION ALL
                SELECT currency, -sum(amount) FROM wallstreet.entries WHERE source_seq IS NULL GROUP BY currency
                UNION ALL
                SELECT currency, sum(amount) FROM wallstreet.entries WHERE target_seq IS NULL GROUP BY currency) AS sums
         GROUP BY currency HAVING sum(sum) <> 0");
}
