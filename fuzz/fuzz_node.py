"""Damaged messages to a running DICOM node: it must live, answer in time, and keep its memory.

    python -m benchmarks run fuzz_node [--messages 50000] [--seed 0] [--write]

A message is a C-STORE request of a damaged image, or a whole damaged conversation: PDUs that are cut, doubled, left
out, swapped, of wrong length or type, or with changed bytes. It depends on its number and the seed alone. Between them
a valid C-ECHO must be answered; at the end a valid series must be answered in the archive. Findings are a process that
ended, a late C-ECHO, a traceback in the log, threads or files left open, and memory that grows.
"""

from __future__ import annotations

import argparse
import io
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread, dcmwrite, uid
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.sop_class import MRImageStorage, Verification

from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import LOOPBACK, NODE, SENDER, Archive, NodeProcess, phantom_series, send
from fuzz.damage import SEEDS, mutated

CLIENTS = 8
PARTS = 10
PDU = 16384
IMPATIENT = 0.2  # seconds that a client waits for a reply to damage
LATE = 10.0  # seconds, for a C-ECHO
RELEASE = bytes.fromhex("05000000000400000000")
LIMITS = {"associations": 64, "silent_seconds": 2, "message_seconds": 5, "instance_bytes": 2**22, "answer_seconds": 60}
ROOT = "1.2.826.0.1.3680043.8.498.30"
IMAGES = 0.5  # share of the messages that are valid but for the image
LONGEST_ANSWER = 120  # seconds
LONGEST_BACKLOG = 3600  # seconds, for the series of damaged images
REPLIES = {2: "accepted", 3: "rejected", 4: "stored or refused", 6: "released", 7: "aborted"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = fuzzed(Path(name), arguments.messages, arguments.seed)
    publish(
        "fuzz-node", "Damaged messages to the DICOM node", markdown(["measure", "value"], rows), write=arguments.write
    )


def fuzzed(folder: Path, messages: int, seed: int) -> list[list[str]]:
    archive = Archive()
    series = {"wait_seconds": 2.0, "keep_seconds": 1.0}
    node = NodeProcess(folder, [archive.port], {"series": series, "limits": LIMITS})
    node.start()
    seeds, outcomes, echoes, memory, begun = images(), Counter[str](), [], [], time.monotonic()
    held = node.held()
    for part in range(PARTS):
        numbers = range(part * messages // PARTS, (part + 1) * messages // PARTS)
        with ThreadPoolExecutor(CLIENTS) as pool:
            outcomes.update(pool.map(lambda number: deliver(node.port, seeds, seed, number), numbers))
        echoes.append(echo(node.port))
        memory.append(node.memory())
        print(part + 1, dict(outcomes), f"echo {echoes[-1]:.2f} s, {memory[-1]:.0f} MiB,"
              f" {time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
        if node.process.poll() is not None:
            sys.exit(f"the node ended: {node.log()[-3000:]}")
    wait_until_answered(node)
    answered = valid_series(folder / "valid", node, archive)
    left = wait_until_free(node, held)
    rows = [
        ["messages", f"{messages:,}"],
        ["last reply to a message", ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common())],
        ["slowest C-ECHO in between", f"{max(echoes):.2f} s"],
        ["memory after each tenth, MiB", ", ".join(f"{one:.0f}" for one in memory)],
        ["threads and open files before; after", f"{held}; {left}"],
        ["tracebacks in the log", str(node.log().count("Traceback"))],
        ["valid series answered at the end", "yes" if answered else "NO"],
        ["series left in the spool", str(node.kept())],
    ]
    node.stop()
    archive.close()
    return rows


def images() -> list[tuple[bytes, str]]:
    """Return the encoded data sets of the DICOM seeds that are of MR, with their transfer syntaxes."""
    found = []
    for seed in SEEDS["dicom"]():
        with suppress(Exception):  # some seeds are odd on purpose
            image = dcmread(io.BytesIO(seed.whole))
            if image.SOPClassUID == MRImageStorage:
                image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = map(unique, range(3))
                found.append((without_meta(image), str(image.file_meta.TransferSyntaxUID)))
    return found


def unique(number: int) -> str:
    """Return the UID of a number; all have one length, so that one can replace another in an encoded data set."""
    return f"{ROOT}.{number + 10**20}"


def without_meta(image: Dataset) -> bytes:
    """Return the encoded data set of an image."""
    file = io.BytesIO()
    dcmwrite(file, image, enforce_file_format=True)
    file.seek(0)
    meta = dcmread(file, stop_before_pixels=True).file_meta
    return file.getvalue()[144 + int(meta.FileMetaInformationGroupLength) :]  # after preamble, prefix and that length


def deliver(port: int, seeds: list[tuple[bytes, str]], seed: int, number: int) -> str:
    """Send the damaged message of a number; return how the node ended the conversation."""
    chance = random.Random(f"{seed}:{number}")
    content, syntax = seeds[number % len(seeds)]
    for place, one in enumerate((number // 500, number // 100, number)):  # studies of 500 images, series of 100
        content = content.replace(unique(place).encode(), unique(10 * one + 3 + place).encode())
    instance = unique(10 * number + 5)
    broken = chance.random()
    if broken < IMAGES:
        content = mutated(content, seeds[chance.randrange(len(seeds))][0], chance)
    pdus = [associate(syntax), *store(content, instance), RELEASE]
    if broken >= IMAGES:
        pdus = broken_pdus(pdus, chance)
    return converse(port, pdus)


def associate(syntax: str) -> bytes:
    """Return a request for an association."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = SENDER, NODE
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = PDU
    implementation.implementation_class_uid = uid.UID(f"{ROOT}.1")
    request.user_information = [length, implementation]
    context = build_context(MRImageStorage, syntax)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    return bytes(A_ASSOCIATE_RQ(request).encode())


def store(content: bytes, instance: str) -> list[bytes]:
    """Return the PDUs of a request to store a data set."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MRImageStorage, instance
    request.DataSet = io.BytesIO(content)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return [bytes(P_DATA_TF(one).encode()) for one in message.encode_msg(1, PDU)]


def broken_pdus(pdus: list[bytes], chance: random.Random) -> list[bytes]:
    """Return the PDUs of a conversation with damage to one of them or to their order."""
    place = chance.randrange(len(pdus))
    one = bytearray(pdus[place])
    kind = chance.randrange(9)
    if kind == 0:
        one = one[: chance.randrange(len(one))]
    elif kind == 1:  # another length
        one[2:6] = chance.choice((0, 1, 5, 2**16, 2**20, 2**31, 2**32 - 1)).to_bytes(4, "big")
    elif kind == 2:  # another type
        one[0] = chance.randrange(256)
    elif kind == 3:
        one = bytearray(mutated(bytes(one), pdus[0], chance))
    elif kind == 4:
        del pdus[place]
        return pdus
    elif kind == 5:
        return pdus[:place] + [pdus[place]] * chance.randint(2, 20) + pdus[place + 1 :]
    elif kind == 6:
        chance.shuffle(pdus)
        return pdus
    elif kind == 7:  # noise
        return [chance.randbytes(chance.randint(1, 4096))]
    else:  # another control header or context of the first fragment, behind both lengths
        one[min(10 + chance.randrange(2), len(one) - 1)] = chance.randrange(256)
    return [*pdus[:place], bytes(one), *pdus[place + 1 :]]


def converse(port: int, pdus: list[bytes]) -> str:
    """Send PDUs one by one, each after a reply to the last or a short wait; return how it ended."""
    kinds = []
    with suppress(OSError), socket.create_connection((LOOPBACK, port), LATE) as connection:
        connection.settimeout(IMPATIENT)
        for place, one in enumerate(pdus):
            connection.sendall(one)
            if place in (0, len(pdus) - 2, len(pdus) - 1):
                try:
                    reply = connection.recv(65536)
                except TimeoutError:
                    kinds.append("silence")
                    continue
                kinds.append(REPLIES.get(reply[0], "other") if reply else "closed")
                if kinds[-1] in ("rejected", "aborted", "closed"):
                    break
    return kinds[-1] if kinds else "closed"


def echo(port: int) -> float:
    """Return the seconds until a C-ECHO is answered; ends the program if it is not."""
    begun = time.monotonic()
    while time.monotonic() - begun < LATE:
        entity = AE(SENDER)
        association = entity.associate(LOOPBACK, port, [build_context(Verification)], ae_title=NODE)
        if association.is_established:
            status = association.send_c_echo().get("Status")
            association.release()
            if status == 0:
                return time.monotonic() - begun
        time.sleep(0.1)
    sys.exit(f"no answer to a C-ECHO within {LATE} s")


def valid_series(folder: Path, node: NodeProcess, archive: Archive) -> bool:
    """Return whether a valid series is accepted and comes back as one report."""
    images = phantom_series(folder, 1, 3)
    if not all(send(node.port, one) for one in images):
        return False
    sent = {str(dcmread(one).SOPInstanceUID) for one in images}
    last = time.monotonic() + LONGEST_ANSWER
    while time.monotonic() < last:
        if sent in archive.reports().values():
            return True
        time.sleep(1)
    return False


def wait_until_answered(node: NodeProcess) -> None:
    """Wait until the node has answered what it holds, but not forever."""
    last = time.monotonic() + LONGEST_BACKLOG
    while node.kept() and time.monotonic() < last:
        time.sleep(1)


def wait_until_free(node: NodeProcess, held: tuple[int, int]) -> tuple[int, int]:
    """Return the threads and open files of the node once they are as before, or after a minute."""
    last = time.monotonic() + 60
    while (now := node.held()) > held and time.monotonic() < last:
        time.sleep(1)
    return now


if __name__ == "__main__":
    main()
