#!/usr/bin/env python3
"""Encodes governance bodies by the layout tables of the ledger formats, without any code of this package: prints Golden/governance.json."""
import hashlib
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def key(byte):
    return Ed25519PrivateKey.from_private_bytes(bytes([byte]) * 32)


def public(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def name(text):
    return text.encode().ljust(64, b"\0")


def validator(private, power, text):
    return public(private) + public(private) + struct.pack(">Q", power) + name(text)


def validator_set(records):
    records = sorted(records)
    return b"moloch-vset-v1\0\0" + struct.pack(">H6x", len(records)) + b"".join(records)


chain_tag = hashlib.sha256(b"governance golden").digest()[:16]
version = struct.pack(">H", 1)
old = [validator(key(1), 1, "v1"), validator(key(2), 1, "v2")]
new_keys = {public(key(b)): key(b) for b in (3, 4)}
following = old[:1] + [validator(key(3), 5, "v3"), validator(key(4), 2**32 - 1, "v4.example")]
next_set = validator_set(following)
acceptances = b""
for record in sorted(following):
    if record[:32] in new_keys:
        acceptances += new_keys[record[:32]].sign(b"moloch-vpop-v1\0\0" + chain_tag + struct.pack(">Q", 17) + record)
base = hashlib.sha256(validator_set(old)).digest()
propose_validators = version + struct.pack(">H4xQ", 2, 17) + base + next_set + acceptances

target = hashlib.sha256(b"a proposal").digest()
decide = version + struct.pack(">H4x", 2) + target

changes = []
for byte, operation, begin, end, text in [(5, 1, 10, 20, "app-5"), (6, 2, 0, 0, "app-6"), (7, 1, 0, 0, "a.b-c")]:
    changes.append((public(key(byte)), struct.pack(">B7x", operation) + public(key(byte)) + struct.pack(">QQ", begin, end) + name(text)))
changes.sort()
propose_signers = version + struct.pack(">H4x", len(changes)) + b"".join(change for _, change in changes)

note = "Fall 7: Löschung".encode()
events = [hashlib.sha256(b"event %d" % i).digest() for i in range(3)]
propose_redaction = version + struct.pack(">HHH", 0xFFFF, len(events), len(note)) + hashlib.sha256(b"requester").digest() + b"".join(events) + note

record_prune = version + struct.pack(">H4xQQQ", 1, 1000, 25_700, 25_600)

parameters = b"moloch-parm-v1\0\0" + struct.pack(">IIIIII", 500, 30_000, 20_000, 16 << 20, 1 << 20, 100)
parameters += struct.pack(">QQII", 86_400_000, 300_000, 1, 2) + bytes(32)
propose_parameters = version + bytes(6) + struct.pack(">Q", 18) + parameters

print(json.dumps({
    "chain_tag": chain_tag.hex(),
    "base_set": validator_set(old).hex(),
    "f0": propose_validators.hex(), "f1": decide.hex(), "f2": propose_signers.hex(),
    "f3": propose_redaction.hex(), "f4": record_prune.hex(), "f5": propose_parameters.hex(),
}, indent=1))
