#!/usr/bin/env python3
"""Recomputes Wallstreet's book from a dump, without any of its code.

Usage: verify-dump.py DIRECTORY [--proof FILE]... [--statement FILE]...

DIRECTORY holds accounts.csv, transactions.csv, entries.csv and seals.csv;
docs/proof.md has the commands that export them and the texts that are hashed.
A FILE is an answer of the API, or its data: of GET /accounts/{id}/balance/explain
or of GET /accounts/{id}/statement. Ends with 0 if everything holds, with 1 if
something does not, with 2 if it could not be checked. Standard library only.
"""

import argparse
import csv
import hashlib
import json
import pathlib
import re
import sys
from collections import defaultdict
from decimal import Decimal

COLUMNS = (
    "id transaction_id source_id target_id amount currency source_seq source_balance "
    "target_seq target_balance recorded_at effective_at"
).split()
wrong = []


def differ(what, stored, recomputed):
    if stored != recomputed:
        wrong.append(f"{what}: is {stored}, recomputed {recomputed}")


# What is hashed.


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


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
    with open(directory / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load(directory):
    book = {name: rows(directory, name) for name in ("accounts", "transactions", "entries", "seals")}
    book["entries"].sort(key=lambda entry: int(entry["id"]))
    book["seals"].sort(key=lambda seal: int(seal["number"]))
    for seal in book["seals"]:
        for name in ("root", "previous", "hash"):
            seal[name] = seal[name].removeprefix("\\x")
    book["history"] = defaultdict(list)
    for entry in book["entries"]:
        for side, sign in (("source", -1), ("target", 1)):
            if entry[f"{side}_seq"]:
                book["history"][entry[f"{side}_id"]].append(
                    {
                        "entry": entry,
                        "seq": int(entry[f"{side}_seq"]),
                        "moved": sign * Decimal(entry["amount"]),
                        "left": Decimal(entry[f"{side}_balance"]),
                        "effective": moment(entry["effective_at"] or entry["recorded_at"]),
                    }
                )
    return book


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
        differ(f"{name}, balance", Decimal(account["balance"]), balance)
        differ(f"{name}, number of entries", int(account["entry_count"]), len(history))
        free = balance - held[account["id"]]
        differ(f"{name}, available balance", Decimal(account["available_balance"]), free)
        total[account["currency"]] += Decimal(account["balance"])
    for currency, rest in total.items():
        differ(f"currency {currency}, sum of all accounts", rest, 0)


def check_transactions(book):
    moved, reversed_by = defaultdict(Decimal), defaultdict(Decimal)
    transactions = {row["id"]: row for row in book["transactions"]}
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
        if row["direction"]:
            wanted = Decimal(captured or (row["amount"] if row["status"] == "completed" else 0))
            differ(f"{name}, moved", moved.pop(row["id"], 0), wanted if row["direction"] == "in" else -wanted)
        differ(f"{name}, reversed", Decimal(row["reversed_amount"]), reversed_by[row["id"]])
        if row["paired_transaction_id"]:
            other = transactions.get(row["paired_transaction_id"], defaultdict(str))
            differ(f"{name}, other half of its pair", other["paired_transaction_id"], row["id"])
            differ(f"{name}, status of its pair", other["status"], row["status"])
            if other["currency"] == row["currency"]:
                differ(f"{name}, amount of its pair", other["amount"], row["amount"])
    for stranger, amount in moved.items():
        differ(f"transaction {stranger}", "nothing", f"one that moved {amount}")


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
        check_accounts(book)
        check_transactions(book)
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
