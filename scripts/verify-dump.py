#!/usr/bin/env python3
"""Recomputes Wallstreet's book from a dump, without any of its code.

Usage: verify-dump.py DIRECTORY [--proof FILE]... [--statement FILE]...
                      [--seal NUMBER:HASH]... [--key HEX]...

DIRECTORY holds accounts.csv, transactions.csv, audit_logs.csv, entries.csv,
exchanges.csv, rounding.csv, seals.csv, sealing.csv and migrations.csv; docs/proof.md has the
commands that export them, the texts that are hashed, and the rule for each column.
A FILE is an answer of the API, or its data: of GET /accounts/{id}/balance/explain
or of GET /accounts/{id}/statement. A seal and a key are what you kept of
GET /ledger/seals. Ends with 0 if everything holds, with 1 if something does not,
with 2 if it could not be checked, with 3 if nothing is false but a proof is not
proved to the end. Standard library only.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import re
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation, getcontext

COLUMNS = (
    "id transaction_id source_id target_id amount currency source_seq source_balance "
    "target_seq target_balance recorded_at effective_at"
).split()
TABLES = "accounts transactions audit_logs entries exchanges rounding seals".split()
FIXED = (
    "id account_id transaction_type direction amount currency reference_number counterparty_account_id "
    "paired_transaction_id reverses_transaction_id expires_at effective_at complete_at"
).split()
BANK = "00000000-0000-8000-800"
SHARED = "id transaction_id source_id target_id amount currency recorded_at effective_at".split()
LATE, PATIENCE, UNSEEN = timedelta(minutes=5), timedelta(seconds=60), timedelta(seconds=15)
NOTES = ("SEALING_STARTED", "SEALING_DELAYED", "SEALING_STOPPED")
MOST = Decimal("9999999999999.99")
wrong, unproved = [], []
# What is no number is unlike every number, and smaller than none.
getcontext().traps[InvalidOperation] = False


def differ(what, stored, recomputed):
    if stored != recomputed:
        wrong.append(f"{what}: is {stored}, recomputed {recomputed}")


# What is hashed.


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(text):
    return Decimal("NaN" if text is None else text)


def money(value):
    return "" if value in ("", None) else f"{Decimal(value):.2f}"


TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::?00)?|Z)?")


def moment(text):
    """2026-01-28 12:00:00.5+00 as 2026-01-28T12:00:00.500000Z"""
    if not text:
        return ""
    parts = TIME.fullmatch(text)
    if not parts:
        raise ValueError(f"{text!r} is not a time in UTC")
    day, time, micros = parts.groups(default="")
    return f"{day}T{time}.{micros:0<6}Z"


def utc(text):
    """Of a column without a time zone, which holds UTC."""
    return moment(text and text + "+00")


def fields(entry, names):
    sums = {"amount", "source_balance", "target_balance"}
    times = {"recorded_at", "effective_at"}

    def field(name):
        value = entry[name]
        if name in sums:
            return money(value)
        return moment(value) if name in times else "" if value is None else str(value)

    return "|".join(map(field, names))


def salt(key, name):
    return hmac.new(key, name.encode(), "sha256").hexdigest()


def commitment(sequence, balance, salted):
    sequence = "" if sequence is None else sequence
    return sha(f"wallstreet side 2|{sequence}|{money(balance)}|{salted}".encode()).hex()


def leaf_of_format_1(entry, _):
    return sha(b"\0", fields(entry, COLUMNS).encode())


def leaf_of_entry(entry, key):
    sides = "|".join(
        commitment(entry[f"{side}_seq"], entry[f"{side}_balance"], salt(key, f"entry|{entry['id']}|{side}"))
        for side in ("source", "target")
    )
    return sha(b"\0", f"{fields(entry, SHARED)}|{sides}".encode())


def leaf_of_audit(row, key):
    def free(name):
        return "" if row[name] is None else f"{len(row[name].encode())}:{row[name]}"

    parts = [row["number"], row["id"], row["user_id"] or "", free("action"), free("resource_type")]
    parts += [row["resource_id"] or "", free("ip_address"), free("user_agent"), free("printed")]
    parts += [moment(row["created_at"]), salt(key, f"audit|{row['number']}")]
    return sha(b"\0", "|".join(parts).encode())


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", root(leaves[:half]), root(leaves[half:]))


def seal_text(seal):
    text = "wallstreet seal {format}|{number}|{first_entry}|{last_entry}|{entry_count}|{root}|"
    if int(seal["format"]) == 2:
        text += "{first_audit}|{last_audit}|{audit_count}|{audit_root}|"
    text = text.format(**{name: "" if field is None else field for name, field in seal.items()}) + f"{seal['previous']}|{moment(seal['sealed_at'])}"
    return text + (f"|{seal['key']}" if int(seal["format"]) == 2 else "")


# Ed25519, as RFC 8032 has it.

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, P) % P


def plus(a, b):
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    o, q = 2 * a[3] * b[3] * CURVE % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, q - o, q + o, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    total = (0, 1, 1, 0)
    while number:
        total = plus(total, point) if number & 1 else total
        point, number = plus(point, point), number >> 1
    return total


def decoded(encoded):
    number = int.from_bytes(encoded, "little")
    odd, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or not x and odd:
        raise ValueError("no point of the curve")
    x = x if x & 1 == odd else P - x
    return x, y, 1, x * y % P


BASE = decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def signed(key, signature, text):
    try:
        key, signature = bytes.fromhex(key), bytes.fromhex(signature)
        a, r, s = decoded(key), decoded(signature[:32]), int.from_bytes(signature[32:], "little")
    except ValueError:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + text.encode()).digest(), "little") % ORDER
    left, right = times(s, BASE), plus(r, times(challenge, a))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return len(signature) == 64 and s < ORDER and same


def when(text):
    return datetime.fromisoformat(moment(text).replace("Z", "+00:00"))


# The dump.


def rows(directory, name):
    """The rows of a table; what is null is None, and an empty text is not."""
    text = (directory / f"{name}.csv").read_bytes().decode()
    lines, line = [], []
    for field in re.finditer(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\Z)', text):
        quoted, plain, end = field.groups()
        line.append(plain or None if quoted is None else quoted.replace('""', '"'))
        if end != ",":
            lines.append(line)
            line = []
    names = lines[0]
    kept = [dict(zip(names, line)) for line in lines[1:] if line != [None]]
    if any(len(row) != len(names) for row in kept):
        raise ValueError(f"{name}.csv is not whole")
    for row in kept:
        readable(name, row)
    return kept


# What columns hold, by their names: times, sums, whole numbers.
SUMS = set(
    "amount balance available_balance overdraft_limit transaction_limit daily_limit spent_amount captured_amount "
    "reversed_amount source_balance target_balance source_amount target_amount rate remainder carried".split()
)
WHOLE = set(
    "entry_count pending_count pending_bytes spent_day source_seq target_seq number format first_entry last_entry "
    "first_audit last_audit audit_count newest begun_after".split()
)
CALLED = {
    "accounts": "account {id}",
    "transactions": "transaction {id}",
    "audit_logs": "audit row {number} {id}",
    "entries": "entry {id}",
    "exchanges": "exchange of transaction {transaction_id}",
    "rounding": "currency {currency}",
    "seals": "seal {number}",
    "sealing": "sealing",
    "migrations": "migration {number}",
}
# What cannot be reckoned without.
NEEDED = {("entries", "id"), ("audit_logs", "number"), ("seals", "number"), ("seals", "format"), ("seals", "sealed_at")}
NEEDED |= {("entries", "amount"), ("transactions", "amount"), ("entries", "recorded_at"), ("transactions", "created_at")}
NEEDED |= {("sealing", name) for name in ("begun_at", "begun_after", "newest", "salt_key")}


def readable(table, row):
    """Names each cell that holds no value of its kind, and goes on with another one."""
    for column, text in row.items():
        if column in SUMS:
            form, safe = r"-?\d+(\.\d+)?", "0"
        elif column in WHOLE or (table, column) == ("entries", "id"):
            form, safe = r"-?\d+", "0"
        elif column.endswith("_at") or column == "freeze_until":
            form, safe = TIME, "1970-01-01 00:00:00"
            if re.search(r"\d[+-](?!00)\d\d(:?\d\d)*( BC)?$", (text or "")[10:]):
                raise ValueError(f"{text!r} is not a time in UTC: export with PGTZ=UTC")
        elif (table, column) in NEEDED:
            form, safe = r"\\x[0-9a-f]*", "\\x"
        else:
            continue
        if not re.fullmatch(form, text or "") if text is not None else (table, column) in NEEDED:
            differ(f"{CALLED[table].format(**row)}, {column}", text, "a value that can be reckoned with")
            row[column] = safe


def load(directory):
    book = {name: rows(directory, name) for name in TABLES}
    book["entries"].sort(key=lambda entry: int(entry["id"]))
    book["seals"].sort(key=lambda seal: int(seal["number"]))
    book["audit_logs"].sort(key=lambda row: int(row["number"]))
    (book["sealing"],) = rows(directory, "sealing")
    book["applied_at"] = {row["number"]: row["applied_at"] for row in rows(directory, "migrations")}.get("12")
    book["dumped_at"] = datetime.fromtimestamp((directory / "seals.csv").stat().st_mtime, timezone.utc)
    for seal in book["seals"]:
        seal["key"] = seal.pop("signing_key")
        for name in "root previous hash audit_root key signature entry_marks audit_marks".split():
            seal[name] = (seal[name] or "").removeprefix("\\x")
    book["entry"] = {entry["id"]: entry for entry in book["entries"]}
    book["history"] = defaultdict(list)
    for entry in book["entries"]:
        for side, sign in (("source", -1), ("target", 1)):
            if entry[f"{side}_seq"]:
                book["history"][entry[f"{side}_id"]].append(
                    {
                        "entry": entry,
                        "seq": int(entry[f"{side}_seq"]),
                        "moved": sign * Decimal(entry["amount"]),
                        "left": number(entry[f"{side}_balance"]),
                        "effective": moment(entry["effective_at"] or entry["recorded_at"]),
                    }
                )
    return book


# The audit trail: what was opened, ordered, restrained, ended and agreed.


def told(printed):
    """What the details say, as texts; what is not said as it should be is not said."""
    try:
        details = json.loads(printed or "{}", parse_int=Decimal, parse_float=Decimal)
    except (ValueError, RecursionError):
        details = {}
    if not isinstance(details, dict):
        return {}

    def text(value):
        return value if value is None or isinstance(value, str) else str(value)

    said = {name: text(value) for name, value in details.items()}
    if "exchange" in said:
        agreed = details["exchange"]
        said["exchange"] = {name: text(value) for name, value in agreed.items()} if isinstance(agreed, dict) else {}
    return said


def load_trail(book):
    """Sorts the audit rows by what they tell of."""
    for row in book["audit_logs"]:
        row["printed"] = row["details"]
        row["details"] = told(row["details"])
    book["audit_logs"].sort(key=lambda row: (int(row.get("number") or 0), utc(row["created_at"]), row["id"]))
    book["of"] = {"account": defaultdict(list), "transaction": defaultdict(list)}
    book["created"] = defaultdict(list)
    book["opened_before"] = set()
    for row in book["audit_logs"]:
        kind, thing, action, details = row["resource_type"], row["resource_id"], row["action"], row["details"]
        if kind not in book["of"]:
            continue
        if action == "TRANSACTION_CREATED":
            book["created"][thing].append(row)
        elif action == "TRANSACTION_REVERSED":
            book["created"][details.get("reversalId")].append(row)
        if action == "ACCOUNT_CREATED" and "userId" not in details:
            book["opened_before"].add(thing)
        if action != "TRANSACTION_CREATED":
            book["of"][kind][thing].append(row)


def newest(rows, *actions):
    """The newest row of these actions."""
    return next((row for row in reversed(rows) if row["action"] in actions), None)


def until(text):
    """2026-01-28T12:00:00.123456789Z to the microsecond, as the column holds it."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text or "")
    return moment(text) if TIME.fullmatch(text) else text


def check_openings(book):
    accounts = {account["id"]: account for account in book["accounts"]}
    for thing in set(book["of"]["account"]) - set(accounts):
        differ(f"account {thing}, row", "nothing", "one that the trail opened")
    for account in book["accounts"]:
        name, rows = f"account {account['id']}", book["of"]["account"][account["id"]]
        openings = [row for row in rows if row["action"] == "ACCOUNT_CREATED"]
        differ(f"{name}, openings in the trail", len(openings), 1)
        if not openings:
            continue
        opening, states, kind, suspender = openings[0], ["active"], None, None
        told = opening["details"]
        for row in rows:
            if row["action"] == "ACCOUNT_CLOSED":
                states.append("closed")
            elif row["action"] == "ACCOUNT_UPDATED" and "status" in row["details"]:
                states.append(row["details"]["status"])
                kind = row["details"].get("type", kind)
                if states[-1] == "suspended":
                    # Older audit rows name the user, not the authority.
                    by = row["details"].get("by", row["user_id"])
                    suspender = "owner" if by in ("owner", account["user_id"]) else "admin"
        limits = (newest(rows, "ACCOUNT_LIMITS_CHANGED") or {"details": {}})["details"]
        freeze = newest(rows, "ACCOUNT_FROZEN", "ACCOUNT_UNFROZEN")
        freeze = freeze["details"] if freeze and freeze["action"] == "ACCOUNT_FROZEN" else {}
        for column, recomputed in {
            "user_id": told.get("userId", opening["user_id"]),
            "account_number": told.get("accountNumber"),
            "account_type": kind or told.get("accountType"),
            "currency": told.get("currency"),
            "created_at": opening["created_at"],
            "status": states[-1],
            "suspended_by": suspender or "admin" if account["status"] == "suspended" else None,
            "overdraft_limit": limits.get("overdraft", "0.00"),
            "transaction_limit": limits.get("perTransaction"),
            "daily_limit": limits.get("daily"),
            "freeze_scope": freeze.get("scope"),
            "freeze_reason": freeze.get("reason"),
        }.items():
            differ(f"{name}, {column}", account[column], recomputed)
        differ(f"{name}, freeze_until", moment(account["freeze_until"]), until(freeze.get("until")))


def fingerprint(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fixed(row):
    """What neither half of a transfer can change: a line."""
    times = {"expires_at", "effective_at", "complete_at"}
    return "|".join(moment(row[name]) if name in times else row[name] or "" for name in FIXED) + "\n"


def words(row):
    if row["description"] is None and row["metadata"] == "{}":
        return None
    said = "" if row["description"] is None else '"' + row["description"]
    return fingerprint(f"{said}\n{row['metadata'] or ''}")


def check_words(book, row, creating):
    """Description, metadata and the time of the last change, of one half."""
    name, rows = f"transaction {row['id']}", book["of"]["transaction"][row["id"]]
    updated = newest(rows, "TRANSACTION_UPDATED")
    told = updated["details"] if updated else creating["details"]
    if "words" in told or not updated and "digest" in told:
        differ(f"{name}, description and metadata", words(row), told.get("words"))
    ended = [row for row in book["of"]["transaction"][creating["thing"]] if row["action"] in ENDINGS]
    # Once a row is changed, the database's own clock says when, and nothing else does.
    if not ended and not updated and number(row["reversed_amount"]) == 0:
        differ(f"{name}, updated at", row["updated_at"], row["created_at"])


ENDINGS = ("TRANSACTION_COMPLETED", "TRANSACTION_FAILED", "TRANSACTION_CAPTURED")


def check_orders(book):
    transactions = {row["id"]: row for row in book["transactions"]}
    for thing, rows in book["created"].items():
        if thing not in transactions:
            differ(f"transaction {thing}, row", "nothing", "one that the trail created")
        differ(f"transaction {thing}, creating audit rows", len(rows), 1)
    for row in book["transactions"]:
        received = row["transaction_type"] == "transfer" and row["direction"] == "in" and row["paired_transaction_id"]
        if received:
            continue
        name, creating = f"transaction {row['id']}", book["created"].get(row["id"], [None])[0]
        if not creating:
            # Rows without a direction were written without the platform.
            if row["direction"] is not None:
                differ(f"{name}, creating audit row", "nothing", "one that says so")
            continue
        creating["thing"] = row["id"]
        told, other = creating["details"], transactions.get(row["paired_transaction_id"])
        for key, column in {
            "accountId": "account_id",
            "type": "transaction_type",
            "amount": "amount",
            "currency": "currency",
            "reference": "reference_number",
            "reversesTransactionId": "reverses_transaction_id",
        }.items():
            if key in told or "digest" in told:
                differ(f"{name}, {column}", row[column], told.get(key))
        way = "in" if row["transaction_type"] in ("deposit", "credit") else "out"
        differ(f"{name}, direction", row["direction"], way)
        if "digest" in told:
            paired = row["paired_transaction_id"]
            both = f"{name}, other half {paired}" if paired else name
            text = fixed(row) + (fixed(other) if other else "")
            differ(f"{both}, digest of what was ordered", fingerprint(text), told["digest"])
        check_ending(book, row, creating)
        check_words(book, row, creating)
        if other:
            check_words(book, other, creating)


def check_undirected(book):
    """Rows without a direction are as they were when format 2 of the seals began."""
    names = "id account_id transaction_type amount currency status created_at reference_number".split()
    rows = [row for row in book["transactions"] if row["direction"] is None]
    rows = [dict(row, created_at=(row["created_at"] or "").replace(" ", "T", 1)) for row in rows]
    rows.sort(key=lambda row: row["id"])
    leaves = [sha("|".join(row[name] or "" for name in names).encode()) for row in rows]
    sealing = book["sealing"]
    now, then = [str(len(rows)), sha(*leaves).hex()], [sealing["undirected"], sealing["undirected_digest"]]
    differ("transactions without a direction, number and digest", now, then)
    # Which of them is another cannot be told, but for one that is too many or too young.
    for row in rows if now != then else []:
        if then[0] == "0" or utc(row["created_at"]) >= moment(sealing["begun_at"]):
            differ(f"transaction {row['id']}, direction", "nothing", "in or out")


def check_ending(book, row, creating):
    name = f"transaction {row['id']}"
    later = [one for one in book["of"]["transaction"][row["id"]] if one["action"] in ENDINGS]
    endings = [one for one in later if one["details"].get("status") != "pending"]
    captures = [one["details"].get("capturedAmount") or "" for one in later]
    captures = [Decimal(sum) for sum in captures if re.fullmatch(r"\d{1,13}\.\d\d", sum)]
    status, completed, reason, captured = "pending", None, None, f"{max(captures):.2f}" if captures else None
    if creating["details"].get("status") == "completed":
        differ(f"{name}, endings in the trail", len(later), 0)
        status, completed, endings = "completed", creating["created_at"], []
    if endings:
        ending = endings[0]["details"]
        status, reason, captured = ending.get("status"), ending.get("reason"), ending.get("capturedAmount")
        completed = endings[0]["created_at"] if status == "completed" else None
    differ(f"{name}, endings in the trail", len(endings) > 1, False)
    stored = [row[column] for column in ("created_at", "status", "completed_at", "failure_reason", "captured_amount")]
    differ(f"{name}, state", stored, [creating["created_at"], status, completed, reason, captured])


def check_trail(book):
    """What the trail tells of is there."""
    known = {kind: {row["id"] for row in book[f"{kind}s"]} for kind in ("account", "transaction")}
    for row in book["audit_logs"]:
        kind, thing = row["resource_type"], row["resource_id"]
        creating = row["action"] in ("ACCOUNT_CREATED", "TRANSACTION_CREATED")
        if kind in known and not creating and thing not in known[kind]:
            differ(f"audit row {row['id']}, tells of", f"{kind} {thing}", "one that there is")


def since_step_back(book, orders):
    """What counts since a clock that was more than a day ahead came back: days, and what
    was ordered on them, in the order of the trail. Empty where none ever did."""
    events = []
    for made, amount, left, ended, thing in orders:
        for row in book["of"]["transaction"][thing]:
            if row["action"] == "TRANSACTION_CREATED":
                events.append((int(row["number"] or 0), made[:10], amount - left))
            elif left > 0 and ended and row["action"] in ENDINGS and row["details"].get("status") != "pending":
                events.append((int(row["number"] or 0), ended[:10], Decimal(0)))
    since, last, stepped = [], None, False
    for _, day, amount in sorted(events):
        if last and (date.fromisoformat(last) - date.fromisoformat(day)).days > 1:
            since, stepped = [], True
        since.append((day, amount))
        last = day
    return since if stepped else []


def check_spending(book):
    """What went out on the newest day that had orders or gave up a hold."""
    ordered = defaultdict(list)
    for row in book["transactions"]:
        if row["direction"] == "out" and not row["reverses_transaction_id"]:
            kept = Decimal(row["captured_amount"] or (row["amount"] if row["status"] == "completed" else 0))
            left = Decimal(0) if row["status"] == "pending" else Decimal(row["amount"]) - kept
            failed = newest(book["of"]["transaction"][row["id"]], "TRANSACTION_FAILED")
            ended = row["completed_at"] or failed and failed["created_at"]
            ordered[row["account_id"]].append((row["created_at"], Decimal(row["amount"]), left, ended, row["id"]))
    for account in book["accounts"]:
        name, orders = f"account {account['id']}", ordered[account["id"]]
        days = [made[:10] for made, *_ in orders]
        days += [ended[:10] for _, _, left, ended, _ in orders if left > 0 and ended]
        newest_day = max(days, default="1970-01-01")
        spent = sum((amount - left for made, amount, left, *_ in orders if made[:10] == newest_day), Decimal(0))
        stepped = since_step_back(book, orders)
        if stepped:
            newest_day = max(day for day, _ in stepped)
            spent = sum((left for day, left in stepped if day == newest_day), Decimal(0))
        # An order by a clock that lags behind midnight counts for the day that has begun.
        eve = str(date.fromisoformat(max(newest_day, "0001-01-02")) - timedelta(days=1)) + " 23"
        late = sum((amount for made, amount, *_ in orders if made.startswith(eve)), Decimal(0))
        day = (date.fromisoformat(newest_day) - date(1970, 1, 1)).days
        stored = number(account["spent_amount"])
        # Orders older than the columns were not counted.
        if account["id"] in book["opened_before"] and account["spent_day"] == "0" and stored == 0:
            continue
        differ(f"{name}, day of its spending", account["spent_day"], str(day))
        if not spent <= stored <= spent + late:
            differ(f"{name}, spent on that day", account["spent_amount"], spent)


def check_exchanges(book):
    transactions = {row["id"]: row for row in book["transactions"]}
    agreed = {thing: rows[0]["details"] for thing, rows in book["created"].items() if "exchange" in rows[0]["details"]}
    left, known = defaultdict(Decimal), {row["transaction_id"] for row in book["exchanges"]}
    for thing in set(agreed) - known:
        differ(f"exchange of transaction {thing}, row", "nothing", "one that the trail agreed")
    for row in book["exchanges"]:
        name = f"exchange of transaction {row['transaction_id']}"
        sent = transactions.get(row["transaction_id"], defaultdict(lambda: None))
        got = transactions.get(sent["paired_transaction_id"], defaultdict(lambda: None))
        differ(f"{name}, transfer that sends it", (sent["transaction_type"], sent["direction"]), ("transfer", "out"))
        differ(f"{name}, between currencies", sent["currency"] != got["currency"], True)
        terms = [row[column] for column in ("source_amount", "source_currency", "target_amount", "target_currency")]
        halves = [sent["amount"], sent["currency"], got["amount"], got["currency"]]
        differ(f"{name}, amounts", terms, halves)
        differ(f"{name}, created at", moment(row["created_at"]), utc(sent["created_at"]))
        source, target = number(row["source_amount"]), number(row["target_amount"])
        rate, remainder = number(row["rate"]), number(row["remainder"])
        back = sent["reverses_transaction_id"]
        differ(f"{name}, remainder", remainder, source - target * rate if back else source * rate - target)
        if row["transaction_id"] in agreed:
            told = agreed[row["transaction_id"]]["exchange"]
            differ(f"{name}, rate", rate, number(told.get("rate")))
            differ(f"{name}, source of the rate", row["rate_source"], told.get("rateSource"))
            differ(f"{name}, remainder in the trail", row["remainder"], told.get("remainder"))
        if sent["status"] == "completed":
            left[row["source_currency"] if back else row["target_currency"]] += remainder
    rounded = set()
    for entry in book["entries"]:
        if not entry["source_seq"] and not entry["target_seq"]:
            gain = entry["target_id"][:23] == BANK + "4"
            left[entry["currency"]] -= Decimal(entry["amount"]) * (1 if gain else -1)
            again = entry["transaction_id"] in rounded
            differ(f"entry {entry['id']}, rounds its transaction once more", again, False)
            rounded.add(entry["transaction_id"])
    used = {account["currency"] for account in book["accounts"]}
    used |= {row[side] for row in book["exchanges"] for side in ("source_currency", "target_currency")}
    for row in book["rounding"]:
        differ(f"currency {row['currency']}, is one of the book", row["currency"] in used, True)
        rest = left.pop(row["currency"], 0)
        differ(f"currency {row['currency']}, carried by rounding", number(row["carried"]), rest)
    for currency, rest in left.items():
        differ(f"currency {currency}, carried by rounding", 0, rest)


def check_entries(book):
    """Whose an entry is, and what its transaction says of it."""
    transactions = {row["id"]: row for row in book["transactions"]}
    accounts = {account["id"]: account["currency"] for account in book["accounts"]}
    purposes = {"deposit": "1", "withdrawal": "1", "credit": "2", "debit": "2"}
    for entry in book["entries"]:
        name, ordered = f"entry {entry['id']}", transactions.get(entry["transaction_id"])
        if not ordered:
            differ(f"{name}, transaction", entry["transaction_id"], "one that there is")
            continue
        ends = ("source", "target")
        code = (entry["currency"] or "").encode().hex()
        bank = BANK + purposes.get(ordered["transaction_type"], "3") + "-000000" + code
        ours = {end: entry[f"{end}_seq"] is not None for end in ends}
        for end in ends:
            differ(f"{name}, {end} is an account", entry[f"{end}_id"] in accounts, ours[end])
            if ours[end]:
                differ(f"{name}, currency", entry["currency"], accounts.get(entry[f"{end}_id"]))
        differ(f"{name}, currency", entry["currency"], ordered["currency"])
        sides = [entry[f"{end}_id"] for end in ends]
        if not any(ours.values()):
            rounding = bank[:22] + "4" + bank[23:]
            differ(f"{name}, accounts of the bank", sides in ([bank, rounding], [rounding, bank]), True)
        elif all(ours.values()):
            differ(f"{name}, accounts", sides, [ordered["account_id"], ordered["counterparty_account_id"]])
        else:
            own = ordered["account_id"]
            differ(f"{name}, accounts", sides, [own, bank] if ours["source"] else [bank, own])
        early = moment(entry["recorded_at"]) < utc(ordered["created_at"])
        differ(f"{name}, older than its transaction", early, False)
        differ(f"{name}, business date", entry["effective_at"], ordered["effective_at"])


def check_accounts(book):
    held, total, stands, size = (defaultdict(Decimal) for _ in range(4))

    def written(row):
        return sum(len((row[name] or "").encode()) for name in ("description", "metadata"))

    halves = {row["id"]: row for row in book["transactions"] if row["direction"] == "in"}
    for row in book["transactions"]:
        ordered = row["direction"] == "out" or row["direction"] == "in" and not row["paired_transaction_id"]
        if row["status"] != "pending" or not ordered:
            continue
        stands[row["account_id"]] += 1
        other = halves.get(row["paired_transaction_id"])
        size[row["account_id"]] += max(written(row), written(other) - 1024 if other else 0)
        if row["direction"] == "out":
            held[row["account_id"]] += Decimal(row["amount"]) - Decimal(row["captured_amount"] or 0)
    for entry in book["entries"]:
        for side, sign in (("source", 1), ("target", -1)):
            if not entry[f"{side}_seq"]:
                total[entry["currency"]] -= sign * Decimal(entry["amount"])
    known = {account["id"] for account in book["accounts"]}
    for stranger in set(book["history"]) - known:
        differ(f"account {stranger}", "nothing", "an account with entries")
    for account in book["accounts"]:
        name, balance, earlier = f"account {account['id']}", Decimal(0), ("", 0)
        history = sorted(book["history"][account["id"]], key=lambda one: one["seq"])
        for place, one in enumerate(history, 1):
            entry = one["entry"]
            balance += one["moved"]
            now = (moment(entry["recorded_at"]), int(entry["id"]))
            differ(f"{name}, entry {entry['id']}, sequence", one["seq"], place)
            differ(f"{name}, entry {entry['id']}, running balance", one["left"], balance)
            differ(f"{name}, entry {entry['id']}, currency", entry["currency"], account["currency"])
            if now[0] < earlier[0] or now[1] <= earlier[1]:
                differ(f"{name}, entry {entry['id']}", "older than the one before", "newer")
            earlier = now
        differ(f"{name}, balance", number(account["balance"]), balance)
        differ(f"{name}, number of entries", account["entry_count"], str(len(history)))
        free = balance - held[account["id"]]
        available, overdraft = number(account["available_balance"]), number(account["overdraft_limit"])
        differ(f"{name}, available balance", available, free)
        differ(f"{name}, pending orders", account["pending_count"], str(stands[account["id"]]))
        differ(f"{name}, bytes on pending orders", account["pending_bytes"], str(size[account["id"]]))
        differ(f"{name}, further below zero than allowed", available < -overdraft, False)
        newest = max((moment(one["entry"]["recorded_at"]) for one in history), default="")
        # Entries older than the column did not fill it in.
        if account["newest_entry_at"] or account["id"] not in book["opened_before"]:
            differ(f"{name}, time of its newest entry", moment(account["newest_entry_at"]), newest)
        total[account["currency"]] += number(account["balance"])
    for currency, rest in total.items():
        differ(f"currency {currency}, sum of all accounts", rest, 0)


def check_transactions(book):
    moved, reversed_by = defaultdict(Decimal), defaultdict(Decimal)
    transactions = {row["id"]: row for row in book["transactions"]}
    exchanged = {row["transaction_id"] for row in book["exchanges"]}
    for account, history in book["history"].items():
        for one in history:
            named = transactions.get(one["entry"]["transaction_id"], {"account_id": None, "paired_transaction_id": ""})
            ours = named["account_id"] == account
            leg = named["id"] if ours else named["paired_transaction_id"] or one["entry"]["transaction_id"]
            moved[leg] += one["moved"]
    for row in book["transactions"]:
        if row["reverses_transaction_id"] and row["status"] == "completed":
            reversed_by[row["reverses_transaction_id"]] += Decimal(row["amount"])
    for row in book["transactions"]:
        name, captured = f"transaction {row['id']}", row["captured_amount"]
        # Rows without a direction were written without the platform and move nothing.
        wanted = Decimal(captured or (row["amount"] if row["status"] == "completed" else 0))
        wanted *= {"in": 1, "out": -1}.get(row["direction"], 0)
        differ(f"{name}, moved", moved.pop(row["id"], 0), wanted)
        differ(f"{name}, reversed", number(row["reversed_amount"]), reversed_by.pop(row["id"], 0))
        if row["transaction_type"] == "transfer" and row["direction"]:
            other = transactions.get(row["paired_transaction_id"], defaultdict(str))
            named = f"{name}, other half {row['paired_transaction_id']}"
            differ(f"{named}, names it", other["paired_transaction_id"], row["id"])
            differ(f"{name}, directions of its pair", {row["direction"], other["direction"]}, {"in", "out"})
            accounts = [other["counterparty_account_id"], other["account_id"]]
            differ(f"{name}, accounts of its pair", accounts, [row["account_id"], row["counterparty_account_id"]])
            for column in ("status", "failure_reason", "created_at", "completed_at", "captured_amount"):
                differ(f"{name}, {column} of its pair", other[column], row[column])
            if not {row["id"], row["paired_transaction_id"]} & exchanged:
                halves = [(half["amount"], half["currency"]) for half in (other, row)]
                differ(f"{name}, amount of its pair", *halves)
    for stranger, amount in moved.items():
        differ(f"transaction {stranger}", "nothing", f"one that moved {amount}")
    for stranger in reversed_by:
        differ(f"transaction {stranger}", "nothing", "one that was reversed")


def whole(text):
    """A number that somebody may have taken away is unlike every number."""
    return -1 if text is None else int(text)


def covered(seal, what, table, place, book):
    """Compares one range of rows with its seal; says where the next begins."""
    rows, number, of = book[table], "number" if what == "audit" else "id", f"seal {seal['number']}"
    start = place
    while place < len(rows) and int(rows[place][number]) <= whole(seal[f"last_{what}"]):
        place += 1
    found, form = rows[start:place], {"audit": leaf_of_audit, "entry": leaf_of_entry}[what]
    if int(seal["format"]) == 1:
        form = leaf_of_format_1
    leaves = [form(row, book["key"]) for row in found]
    differ(f"{of}, {what} count", whole(seal[f"{what}_count"]), len(found))
    if found:
        differ(f"{of}, first {what}", seal[f"first_{what}"], found[0][number])
        differ(f"{of}, last {what}", seal[f"last_{what}"], found[-1][number])
    told = seal["root" if what == "entry" else "audit_root"]
    differ(f"{of}, {'root' if what == 'entry' else 'audit root'}", told, root(leaves).hex())
    if int(seal["format"]) == 2:
        kept, ours = seal[f"{what}_marks"], [leaf[:8].hex() for leaf in leaves]
        differ(f"{of}, {what} marks", kept, "".join(ours))
        known = [kept[at : at + 16] for at in range(0, len(kept), 16)]
        sealed = set(known)
        for row, mark in zip(found, ours):
            if mark not in sealed:
                wrong.append(f"{what} {row[number]} {row['id']}: is not as {of} has it")
        there, place_of = dict(zip(ours, found)), whole(seal[f"first_{what}"]) - 1
        for mark in known:
            place_of = int(there[mark][number]) if mark in there else place_of + 1
            if mark not in there:
                wrong.append(f"{what} {place_of}: was under {of}, and is not there or another")
    return place, found


def later(at, by):
    try:
        return at + by
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)


def explained(book, oldest, sealed, first):
    """Whether waits and starts of the sealer lead from the oldest row to the seal."""
    if "moments" not in book:
        book["moments"] = [(when(row["created_at"]), row) for row in book["audit_logs"] if row["created_at"]]
    trail = book["moments"]
    notes = [(at, row) for at, row in trail if row["action"] in NOTES[:2] and oldest <= at <= sealed]
    reached, until = oldest, later(oldest, UNSEEN)
    for at, row in sorted(notes, key=lambda note: note[0]):
        if row["action"] == "SEALING_DELAYED":
            since = re.sub(r"(\.\d{6})\d+", r"\1", row["details"].get("since") or "")
            if TIME.fullmatch(since) and when(since) <= until:
                reached, until = at, max(until, later(at, PATIENCE))
            continue
        # What else happened shows that a server ran, which would have sealed.
        between = (one["action"] for then, one in trail if until < then < at and int(one["number"]) >= first)
        if all(action in ("SEALING_STARTED", "ADMIN_CREATED") for action in between):
            reached, until = at, max(until, later(at, UNSEEN))
    return sealed - reached <= PATIENCE


def check_notes(book):
    """What the sealer says of itself, and when format 2 began: what is older is not judged."""
    sealing, seals = book["sealing"], {seal["number"]: seal for seal in book["seals"]}
    began = moment(sealing["begun_at"])
    differ("sealing, begun at, and its migration", began, moment(book["applied_at"]))
    for row in book["audit_logs"]:
        if row["action"] in NOTES and row["created_at"] and when(began) - when(row["created_at"]) > timedelta(days=1):
            differ("sealing, begun at", began, f"not after the sealer told of itself at {row['created_at']}")
            break
    for row in book["audit_logs"]:
        if row["action"] != "SEALING_STARTED":
            continue
        told, name = row["details"], f"audit row {row['number']} {row['id']}, newest seal that it found"
        seal = seals.get(told.get("seal"), {"hash": None, "last_audit": None})
        differ(name, told.get("hash"), seal["hash"])
        if told.get("seal") != "0" and int(seal["last_audit"] or 0) >= int(row["number"]):
            differ(name, told.get("seal"), "one that is not above it")


def check_seals(book, pins, keys):
    sealing = book["sealing"]
    book["key"], begun = bytes.fromhex(sealing["salt_key"].removeprefix("\\x")), when(sealing["begun_at"])
    former = place = trail = kept = formerly = 0
    late, before = [], {"number": 0, "hash": "0" * 64, "format": "1"}
    for seal in book["seals"]:
        name, number = f"seal {seal['number']}", int(seal["number"])
        differ(f"{name}, number", number, int(before["number"]) + 1)
        differ(f"{name}, previous", seal["previous"], before["hash"])
        differ(f"{name}, hash", seal["hash"], sha(seal_text(seal).encode()).hex())
        for pinned, value in pins:
            if pinned == number:
                differ(f"{name}, hash, against the one that was kept", seal["hash"], value)
                kept = max(kept, number if value == seal["hash"] else 0)
        if int(seal["format"]) == 1:
            differ(f"{name}, format", before["format"], "1")
            former, _ = covered(seal, "entry", "entries", former, book)
            formerly = whole(seal["last_entry"])
        else:
            if int(before["format"]) == 1:
                differ(f"{name}, number of the first of format 2", number, int(sealing["begun_after"]) + 1)
            text = f"wallstreet seal 2 signature|{seal['hash']}"
            differ(f"{name}, signature", signed(seal["key"], seal["signature"], text), True)
            differ(f"{name}, signing key", not keys or seal["key"] in keys, True)
            place, entries = covered(seal, "entry", "entries", place, book)
            trail, audit = covered(seal, "audit", "audit_logs", trail, book)
            times = [when(row["recorded_at"]) for row in entries if int(row["id"]) > formerly]
            times += [when(row["created_at"]) for row in audit if row["created_at"]]
            oldest = min((at for at in times if at > begun), default=None)
            if oldest and when(seal["sealed_at"]) - oldest > PATIENCE:
                late.append((number, oldest, when(seal["sealed_at"]), whole(seal["first_audit"])))
        before = seal
    for number, oldest, sealed, first in late:
        if number > kept and not explained(book, oldest, sealed, first):
            differ(f"seal {number}, sealed at", sealed, f"at most 60 s after {oldest}, or after a start or a wait")
    newest = max(int(before["number"]), int(sealing["newest"]))
    differ(f"seal {newest} and the chain of seals, newest seal", int(before["number"]), int(sealing["newest"]))
    for number, value in pins:
        if not 1 <= number <= int(before["number"]):
            differ(f"seal {number}, hash, against the one that was kept", "no such seal", value)
    for kind, rows, start, number, time in (
        ("entry", book["entries"], place, "id", "recorded_at"),
        ("audit row", book["audit_logs"], trail, "number", "created_at"),
    ):
        # Where a clock was ahead, an account's entries go on from there.
        times = [when(row[time]) for row in rows[:start] if row[time]]
        ahead = max([book["dumped_at"], *times])
        for row in rows:
            if int(row[number]) < 1:
                wrong.append(f"{kind} {row[number]} {row['id']}: is below the first number")
        for row in rows[start:]:
            at = row[time] and when(row[time])
            if not at or book["dumped_at"] - at > PATIENCE or at - ahead > PATIENCE:
                wrong.append(f"{kind} {row[number]} {row['id']}: is under no seal since {at}, and should be within 60 s")
    return place


# Answers of the API.


def answer(path):
    """The data of an answer, with names as the columns have them."""

    def snake(value):
        if isinstance(value, list):
            return [snake(item) for item in value]
        if isinstance(value, dict):
            return {re.sub("[A-Z]", lambda c: "_" + c[0].lower(), key): snake(item) for key, item in value.items()}
        return value

    with open(path, encoding="utf-8") as file:
        document = snake(json.load(file, parse_float=Decimal))
    return document["data"] if "success" in document else document


def opened_text(entry):
    return f"{fields(entry, SHARED)}|{entry['sequence']}|{money(entry['balance'])}|{entry['salt']}|{entry['other_side']}"


def check_entry(name, proof, entry, book):
    """One entry as the account may see it; says what it moved."""
    account, name = proof["account"], f"{name}, entry {entry['id']}"
    ours = entry["source_id"] == account
    side, amount = "source" if ours else "target", Decimal(entry["amount"])
    if account not in (entry["source_id"], entry["target_id"]) or entry["source_id"] == entry["target_id"]:
        differ(f"{name}, accounts", [entry["source_id"], entry["target_id"]], f"{account} and another")
    differ(f"{name}, currency", entry["currency"], proof["currency"])
    differ(f"{name}, amount above nothing and within DECIMAL(15,2)", 0 < amount <= MOST, True)
    differ(f"{name}, id", int(entry["id"]) > 0, True)
    if entry["effective_at"] and moment(entry["effective_at"]) > moment(entry["recorded_at"]):
        differ(f"{name}, effective at", entry["effective_at"], "not after it was recorded")
    dumped = book["entry"].get(str(entry["id"]))
    stored = dumped and [fields(dumped, SHARED), dumped[f"{side}_seq"], money(dumped[f"{side}_balance"])]
    told = [fields(entry, SHARED), str(entry["sequence"]), money(entry["balance"])]
    differ(f"{name} of the dump", stored, told)
    return -amount if ours else amount


def check_sealed(name, proof, book):
    """The sealed entry and its way to the seal."""
    sealed, account = proof["sealed"], proof["account"]
    entry, seal = sealed["entry"], sealed["seal"]
    check_entry(name, proof, entry, book)
    differ(f"{name}, sequence of entry", entry["sequence"], sealed["sequence"])
    differ(f"{name}, balance of entry", Decimal(entry["balance"]), Decimal(sealed["balance"]))
    ours = commitment(entry["sequence"], entry["balance"], entry["salt"])
    sides = [ours, entry["other_side"]] if entry["source_id"] == account else [entry["other_side"], ours]
    climbed, index, count = sha(b"\0", "|".join([fields(entry, SHARED), *sides]).encode()), sealed["index"], seal["entry_count"]
    lines = [f"sealed|{sealed['sequence']}|{money(sealed['balance'])}|{index}|{opened_text(entry)}"]
    turns = []
    while count > 1:
        half = 1 << (count - 1).bit_length() - 1
        turns.insert(0, "left" if index >= half else "right")
        index, count = (index - half, count - half) if index >= half else (index, half)
    differ(f"{name}, index", index, 0)
    differ(f"{name}, path", [step["side"] for step in sealed["path"]], turns)
    for step in sealed["path"]:
        other = bytes.fromhex(step["hash"])
        climbed = sha(b"\1", other, climbed) if step["side"] == "left" else sha(b"\1", climbed, other)
        lines.append(f"path|{step['side']}|{step['hash']}")
    lines.append(f"seal|{seal_text(seal)}|{seal['hash']}|{seal['signature']}")
    differ(f"{name}, root", climbed.hex(), seal["root"])
    differ(f"{name}, entry under seal", seal["first_entry"] <= entry["id"] <= seal["last_entry"], True)
    differ(f"{name}, format of seal", seal["format"], 2)
    differ(f"{name}, hash of seal", seal["hash"], sha(seal_text(seal).encode()).hex())
    text = f"wallstreet seal 2 signature|{seal['hash']}"
    differ(f"{name}, signature of seal", signed(seal["key"], seal["signature"], text), True)
    same = [one["hash"] for one in book["seals"] if int(one["number"]) == seal["number"]]
    differ(f"{name}, seal of the dump", same, [seal["hash"]])
    return lines


def check_head(name, proof, lines):
    """The newest seal of the moment."""
    head, seal = proof["head"], (proof["sealed"] or {"seal": None})["seal"]
    if head:
        lines.append(f"head|{head['number']}|{head['hash']}|{head['last_entry']}|{moment(head['sealed_at'])}")
        differ(f"{name}, newest seal is before the moment", moment(head["sealed_at"]) <= moment(proof["as_of"]), True)
    if seal and head and head["number"] == seal["number"]:
        names = ("hash", "last_entry", "sealed_at")
        differ(f"{name}, newest seal", [head[key] for key in names], [seal[key] for key in names])
    elif seal:
        known = head and head["number"] > seal["number"] and head["last_entry"] >= seal["last_entry"]
        differ(f"{name}, newest seal is not before that of the entry", bool(known), True)
    late = when(proof["as_of"]) - datetime.now(timezone.utc) > LATE
    differ(f"{name}, moment is still to come", late, False)


def check_proof(book, path, pins, keys):
    proof = answer(path)
    name, sealed, head = f"proof {path}", proof["sealed"], proof["head"]
    start = [proof["account"], proof["currency"], money(proof["balance"]), money(proof["available_balance"])]
    differ(f"{name}, format", proof["format"], 2)
    lines = ["|".join(["wallstreet balance 2", *start, str(proof["sequence"]), moment(proof["as_of"])])]
    check_head(name, proof, lines)
    sequence, balance, before = 0, Decimal(0), (head["last_entry"] if head else 0, "")
    if sealed:
        lines += check_sealed(name, proof, book)
        sequence, balance = sealed["sequence"], Decimal(sealed["balance"])
        before = (before[0], moment(sealed["entry"]["recorded_at"]))
    for entry in proof["since"]:
        sequence, balance = sequence + 1, balance + check_entry(name, proof, entry, book)
        place, at = f"{name}, entry {entry['id']}", moment(entry["recorded_at"])
        differ(f"{place}, sequence", entry["sequence"], sequence)
        differ(f"{place}, balance", Decimal(entry["balance"]), balance)
        differ(f"{place}, behind the seal and the entry before", entry["id"] > before[0] and at >= before[1], True)
        differ(f"{place}, recorded before the moment of the whole", at <= moment(proof["as_of"]), True)
        if head and when(head["sealed_at"]) - when(entry["recorded_at"]) > LATE:
            differ(f"{place}, recorded at", at, f"not long before seal {head['number']}")
        before = (entry["id"], at)
        lines.append(f"since|{opened_text(entry)}")
    differ(f"{name}, sequence", proof["sequence"], sequence)
    differ(f"{name}, balance", Decimal(proof["balance"]), balance)
    held_by = [hold["transaction_id"] for hold in proof["holds"]]
    differ(f"{name}, holds, each once", len(held_by), len(set(held_by)))
    for hold in proof["holds"]:
        amount, captured, held = (Decimal(hold[key]) for key in ("amount", "captured", "held"))
        differ(f"{name}, hold {hold['transaction_id']}", held, amount - captured)
        sound = 0 < amount <= MOST and captured >= 0 and held > 0
        differ(f"{name}, hold {hold['transaction_id']} takes something", sound, True)
        balance -= held
        lines.append(f"hold|{hold['transaction_id']}|{amount:.2f}|{captured:.2f}|{held:.2f}")
    differ(f"{name}, available balance", Decimal(proof["available_balance"]), balance)
    lines.append(f"key|{proof['key']}")
    text = "".join(f"{line}\n" for line in lines)
    differ(f"{name}, digest", proof["digest"], sha(text.encode()).hex())
    text = f"wallstreet balance 2 signature|{proof['digest']}"
    differ(f"{name}, signature", signed(proof["key"], proof["signature"], text), True)
    differ(f"{name}, key", not keys or proof["key"] in keys, True)
    kept = bool(sealed) and (sealed["seal"]["number"], sealed["seal"]["hash"]) in pins
    alone = kept and not proof["since"] and not proof["holds"] and sealed["seal"]["key"] == proof["key"]
    if not keys and not alone:
        unproved.append(f"{name}: what the server claims beyond the seal; --key {proof['key']} proves it, if you know that key")
    if not keys and sealed and not kept:
        seal = f"{sealed['seal']['number']}:{sealed['seal']['hash']}"
        unproved.append(f"{name}: that the seal is the bank's; --seal {seal} proves it, if you kept that hash")


def check_statement(book, path):
    statement = answer(path)
    name, effective = f"statement {path}", statement.get("basis") == "effective"
    start, end = moment(statement["from"]), moment(statement["to"])
    history = [one for one in book["history"][statement["account_id"]] if one["seq"] <= statement["last_sequence"]]
    when = lambda one: one["effective"] if effective else moment(one["entry"]["recorded_at"])
    history.sort(key=lambda one: (when(one), one["seq"]) if effective else one["seq"])
    balance = sum((one["moved"] for one in history if start and when(one) < start), Decimal(0))
    differ(f"{name}, opening balance", Decimal(statement["opening_balance"]), balance)
    period = [one for one in history if when(one) >= start and when(one) < end]
    differ(f"{name}, entries", [one["sequence"] for one in statement["entries"]], [one["seq"] for one in period])
    turnover = {"in": Decimal(0), "out": Decimal(0)}
    for told, one in zip(statement["entries"], period):
        way = "in" if one["moved"] > 0 else "out"
        balance += one["moved"]
        turnover[way] += abs(one["moved"])
        place = f"{name}, sequence {one['seq']}"
        differ(f"{place}, direction", told["direction"], way)
        differ(f"{place}, amount", Decimal(told["amount"]), abs(one["moved"]))
        differ(f"{place}, balance", Decimal(told["balance"]), balance)
    differ(f"{name}, closing balance", Decimal(statement["closing_balance"]), balance)
    totals = statement["totals"]
    differ(f"{name}, number of entries", totals["count"], len(period))
    differ(f"{name}, turnover", {way: Decimal(totals[way]) for way in turnover}, turnover)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, metavar="DIRECTORY")
    parser.add_argument("--proof", action="append", default=[], metavar="FILE")
    parser.add_argument("--statement", action="append", default=[], metavar="FILE")
    parser.add_argument("--seal", action="append", default=[], metavar="NUMBER:HASH")
    parser.add_argument("--key", action="append", default=[], metavar="HEX")
    given = parser.parse_args()
    try:
        book = load(given.directory)
        pins = [(int(number), value) for number, _, value in (seal.partition(":") for seal in given.seal)]
        load_trail(book)
        for check in (
            check_accounts,
            check_transactions,
            check_entries,
            check_exchanges,
            check_openings,
            check_orders,
            check_undirected,
            check_notes,
            check_spending,
            check_trail,
        ):
            check(book)
        sealed = check_seals(book, pins, given.key)
        for path in given.proof:
            check_proof(book, path, pins, given.key)
        for path in given.statement:
            check_statement(book, path)
    except (OSError, KeyError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        print(f"could not be checked: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for line in wrong:
        print(f"WRONG {line}")
    names = ("accounts", "transactions", "entries", "audit_logs", "seals")
    counts = ", ".join(f"{len(book[name])} {name.replace('_', ' ')}" for name in names)
    files = f", {len(given.proof)} proofs, {len(given.statement)} statements"
    print(f"{counts} ({sealed} entries sealed){files}: {len(wrong)} differences")
    for line in unproved if not wrong else []:
        print(f"NOT PROVED {line}")
    return 1 if wrong else 3 if unproved else 0


if __name__ == "__main__":
    sys.exit(main())
