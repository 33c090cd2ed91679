#!/usr/bin/env python3
"""Recomputes Wallstreet's book from a dump, without any of its code.

Usage: verify-dump.py DIRECTORY [--proof FILE]... [--statement FILE]...

DIRECTORY holds accounts.csv, transactions.csv, audit_logs.csv, entries.csv,
exchanges.csv, rounding.csv and seals.csv; docs/proof.md has the commands that
export them, the texts that are hashed, and the rule for each column.
A FILE is an answer of the API, or its data: of GET /accounts/{id}/balance/explain
or of GET /accounts/{id}/statement. Ends with 0 if everything holds, with 1 if
something does not, with 2 if it could not be checked. Standard library only.
"""

import argparse
import csv
import datetime
import hashlib
import json
import pathlib
import re
import sys
from collections import defaultdict
from decimal import Decimal, InvalidOperation, getcontext

COLUMNS = (
    "id transaction_id source_id target_id amount currency source_seq source_balance "
    "target_seq target_balance recorded_at effective_at"
).split()
TABLES = "accounts transactions audit_logs entries exchanges rounding seals".split()
FIXED = (
    "id account_id transaction_type direction amount currency reference_number counterparty_account_id "
    "paired_transaction_id reverses_transaction_id expires_at effective_at"
).split()
BANK = "00000000-0000-8000-800"
wrong = []
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


def moment(text):
    """2026-01-28 12:00:00.5+00 as 2026-01-28T12:00:00.500000Z"""
    if not text:
        return ""
    parts = re.fullmatch(r"(\S{10})[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::?00)?|Z)", text)
    if not parts:
        raise ValueError(f"{text!r} is not a time in UTC: export with PGTZ=UTC")
    date, time, micros = parts.groups(default="")
    return f"{date}T{time}.{micros:0<6}Z"


def utc(text):
    """Of a column without a time zone, which holds UTC."""
    return moment(text and text + "+00")


def entry_text(entry):
    sums = {"amount", "source_balance", "target_balance"}
    times = {"recorded_at", "effective_at"}

    def field(name):
        value = entry[name]
        if name in sums:
            return money(value)
        return moment(value) if name in times else "" if value is None else str(value)

    return "|".join(map(field, COLUMNS))


def leaf(entry):
    return sha(b"\0", entry_text(entry).encode())


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", root(leaves[:half]), root(leaves[half:]))


def seal_text(seal):
    return "wallstreet seal 1|{number}|{first_entry}|{last_entry}|{entry_count}|{root}|{previous}|".format(
        **seal
    ) + moment(seal["sealed_at"])


# The dump.


def rows(directory, name):
    """The rows of a table; what is null is None."""
    with open(directory / f"{name}.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    # A dump that does not mark nulls cannot tell them from empty texts.
    null = "\\N" if any("\\N" in row.values() for row in table) else ""
    return [{name: None if value == null else value for name, value in row.items()} for row in table]


def load(directory):
    book = {name: rows(directory, name) for name in TABLES}
    book["entries"].sort(key=lambda entry: int(entry["id"]))
    book["seals"].sort(key=lambda seal: int(seal["number"]))
    for seal in book["seals"]:
        for name in ("root", "previous", "hash"):
            seal[name] = (seal[name] or "").removeprefix("\\x")
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


def load_trail(book):
    """Sorts the audit rows by what they tell of."""
    for row in book["audit_logs"]:
        row["details"] = json.loads(row["details"] or "{}")
        if not isinstance(row["details"], dict):
            row["details"] = {}
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
    return moment(re.sub(r"(\.\d{6})\d+", r"\1", text)) if text else ""


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
        opening, states = openings[0], ["active"]
        told = opening["details"]
        for row in rows:
            if row["action"] == "ACCOUNT_CLOSED":
                states.append("closed")
            elif row["action"] == "ACCOUNT_UPDATED" and "status" in row["details"]:
                states.append(row["details"]["status"])
        limits = (newest(rows, "ACCOUNT_LIMITS_CHANGED") or {"details": {}})["details"]
        freeze = newest(rows, "ACCOUNT_FROZEN", "ACCOUNT_UNFROZEN")
        freeze = freeze["details"] if freeze and freeze["action"] == "ACCOUNT_FROZEN" else {}
        for column, recomputed in {
            "user_id": told.get("userId", opening["user_id"]),
            "account_number": told.get("accountNumber"),
            "account_type": told.get("accountType"),
            "currency": told.get("currency"),
            "created_at": opening["created_at"],
            "status": states[-1],
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
    times = {"expires_at", "effective_at"}
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
            both = f"{name}, other half {other['id']}" if other else name
            text = fixed(row) + (fixed(other) if other else "")
            differ(f"{both}, digest of what was ordered", fingerprint(text), told["digest"])
        check_ending(book, row, creating)
        check_words(book, row, creating)
        if other:
            check_words(book, other, creating)


def check_ending(book, row, creating):
    name = f"transaction {row['id']}"
    later = [one for one in book["of"]["transaction"][row["id"]] if one["action"] in ENDINGS]
    endings = [one for one in later if one["details"].get("status") != "pending"]
    captures = [Decimal(one["details"]["capturedAmount"]) for one in later if "capturedAmount" in one["details"]]
    status, completed, reason, captured = "pending", None, None, f"{max(captures):.2f}" if captures else None
    if creating["details"].get("status") == "completed":
        differ(f"{name}, endings in the trail", len(later), 0)
        status, completed, endings = "completed", creating["created_at"], []
    if endings:
        ending = endings[0]["details"]
        status, reason, captured = ending["status"], ending.get("reason"), ending.get("capturedAmount")
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


def check_spending(book):
    """What went out on the newest day that had orders or gave up a hold."""
    ordered = defaultdict(list)
    for row in book["transactions"]:
        if row["direction"] == "out" and not row["reverses_transaction_id"]:
            kept = Decimal(row["captured_amount"] or (row["amount"] if row["status"] == "completed" else 0))
            left = Decimal(0) if row["status"] == "pending" else Decimal(row["amount"]) - kept
            failed = newest(book["of"]["transaction"][row["id"]], "TRANSACTION_FAILED")
            ended = row["completed_at"] or failed and failed["created_at"]
            ordered[row["account_id"]].append((row["created_at"], Decimal(row["amount"]), left, ended))
    for account in book["accounts"]:
        name, orders = f"account {account['id']}", ordered[account["id"]]
        days = [made[:10] for made, *_ in orders]
        days += [ended[:10] for _, _, left, ended in orders if left > 0 and ended]
        newest_day = max(days, default="1970-01-01")
        spent = sum((amount - left for made, amount, left, _ in orders if made[:10] == newest_day), Decimal(0))
        # An order by a clock that lags behind midnight counts for the day that has begun.
        eve = str(datetime.date.fromisoformat(newest_day) - datetime.timedelta(days=1)) + " 23"
        late = sum((amount for made, amount, *_ in orders if made.startswith(eve)), Decimal(0))
        day = (datetime.date.fromisoformat(newest_day) - datetime.date(1970, 1, 1)).days
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
            differ(f"{name}, rate", rate, Decimal(told["rate"]))
            differ(f"{name}, source of the rate", row["rate_source"], told["rateSource"])
            differ(f"{name}, remainder in the trail", row["remainder"], told["remainder"])
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
    for row in book["rounding"]:
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
    held, total = defaultdict(Decimal), defaultdict(Decimal)
    for row in book["transactions"]:
        if row["status"] == "pending" and row["direction"] == "out":
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
            differ(f"{name}, other half of its pair", other["paired_transaction_id"], row["id"])
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


def check_seals(book):
    entries, place, previous = book["entries"], 0, "0" * 64
    for number, seal in enumerate(book["seals"], 1):
        name, start = f"seal {seal['number']}", place
        while place < len(entries) and int(entries[place]["id"]) <= int(seal["last_entry"]):
            place += 1
        covered = entries[start:place]
        differ(f"{name}, number", int(seal["number"]), number)
        differ(f"{name}, previous", seal["previous"], previous)
        differ(f"{name}, hash", seal["hash"], sha(seal_text(seal).encode()).hex())
        differ(f"{name}, number of entries", int(seal["entry_count"]), len(covered))
        if covered:
            differ(f"{name}, first entry", seal["first_entry"], covered[0]["id"])
            differ(f"{name}, last entry", seal["last_entry"], covered[-1]["id"])
            differ(f"{name}, root", seal["root"], root([leaf(entry) for entry in covered]).hex())
        previous = seal["hash"]
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


def check_proof(book, path):
    proof = answer(path)
    name, sealed, account = f"proof {path}", proof["sealed"], proof["account"]
    head = [account, proof["currency"], money(proof["balance"]), money(proof["available_balance"])]
    lines = ["|".join(["wallstreet balance 1", *head, str(proof["sequence"]), moment(proof["as_of"])])]
    dumped = {entry["id"]: entry_text(entry) for entry in book["entries"]}
    sequence, balance = 0, Decimal(0)
    if sealed:
        entry, seal, climbed = sealed["entry"], sealed["seal"], leaf(sealed["entry"])
        side = "source" if entry["source_id"] == account else "target"
        differ(f"{name}, account of entry", entry[f"{side}_id"], account)
        sequence, balance = sealed["sequence"], Decimal(sealed["balance"])
        differ(f"{name}, sequence of entry", entry[f"{side}_seq"], sequence)
        differ(f"{name}, balance of entry", Decimal(entry[f"{side}_balance"]), balance)
        lines.append(f"sealed|{sequence}|{money(balance)}|{sealed['index']}|{entry_text(entry)}")
        for step in sealed["path"]:
            other = bytes.fromhex(step["hash"])
            climbed = sha(b"\1", other, climbed) if step["side"] == "left" else sha(b"\1", climbed, other)
            lines.append(f"path|{step['side']}|{step['hash']}")
        lines.append(f"seal|{seal_text(seal)}|{seal['hash']}")
        differ(f"{name}, root", climbed.hex(), seal["root"])
        differ(f"{name}, hash of seal", seal["hash"], sha(seal_text(seal).encode()).hex())
        same = [one for one in book["seals"] if int(one["number"]) == seal["number"]]
        differ(f"{name}, seal of the dump", [one["hash"] for one in same], [seal["hash"]])
        differ(f"{name}, entry of the dump", dumped.get(str(entry["id"])), entry_text(entry))
    for entry in proof["since"]:
        ours = entry["source_id"] == account
        side = "source" if ours else "target"
        sequence, balance = sequence + 1, balance + Decimal(entry["amount"]) * (-1 if ours else 1)
        differ(f"{name}, entry {entry['id']}, sequence", entry[f"{side}_seq"], sequence)
        differ(f"{name}, entry {entry['id']}, balance", Decimal(entry[f"{side}_balance"]), balance)
        differ(f"{name}, entry {entry['id']} of the dump", dumped.get(str(entry["id"])), entry_text(entry))
        lines.append(f"since|{entry_text(entry)}")
    differ(f"{name}, sequence", proof["sequence"], sequence)
    differ(f"{name}, balance", Decimal(proof["balance"]), balance)
    for hold in proof["holds"]:
        amount, captured, held = (Decimal(hold[key]) for key in ("amount", "captured", "held"))
        differ(f"{name}, hold {hold['transaction_id']}", held, amount - captured)
        balance -= held
        lines.append(f"hold|{hold['transaction_id']}|{amount:.2f}|{captured:.2f}|{held:.2f}")
    differ(f"{name}, available balance", Decimal(proof["available_balance"]), balance)
    text = "".join(f"{line}\n" for line in lines)
    differ(f"{name}, digest", proof["digest"], sha(text.encode()).hex())


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
    given = parser.parse_args()
    try:
        book = load(given.directory)
        load_trail(book)
        for check in (
            check_accounts,
            check_transactions,
            check_entries,
            check_exchanges,
            check_openings,
            check_orders,
            check_spending,
            check_trail,
        ):
            check(book)
        sealed = check_seals(book)
        for path in given.proof:
            check_proof(book, path)
        for path in given.statement:
            check_statement(book, path)
    except (OSError, KeyError, ValueError, TypeError, ArithmeticError) as error:
        print(f"could not be checked: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for line in wrong:
        print(f"WRONG {line}")
    counts = ", ".join(f"{len(book[name])} {name}" for name in ("accounts", "transactions", "entries", "seals"))
    files = f", {len(given.proof)} proofs, {len(given.statement)} statements"
    print(f"{counts} ({sealed} entries sealed){files}: {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
