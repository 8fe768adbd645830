"""What the DICOM node accepts, from whom, and what it closes."""

from __future__ import annotations

import io
import socket
import ssl
import struct
import time
from contextlib import contextmanager

import pytest
from prometheus_client import generate_latest
from pydicom import dcmread, uid
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

from benchmarks.service.dicom_peers import LOOPBACK, NODE, SENDER, free_port, phantom_series, send
from certificates import NEEDS_OPENSSL, authority, certificate
from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.node_metrics import NodeMetrics
from gadolin.dicom_network.receiving import Receiver
from gadolin.dicom_network.sending import close
from gadolin.dicom_network.spool import Spool
from gadolin.errors import OutputError, RequestError
from gadolin.readers.dicom.codecs import DECODER_DEPENDENCIES

pytestmark = pytest.mark.usefixtures("loopback", "clients")
SUCCESS = 0x0000
CLIENTS = []


@pytest.fixture
def clients():
    """Close the associations of the test in the end."""
    yield
    while CLIENTS:
        close(CLIENTS.pop())


class Running:
    """A receiver with its spool and metrics."""

    def __init__(self, receiver, spool, metrics):
        self.port, self.spool, self._metrics = receiver.port, spool, metrics

    def images(self):
        return sum(len(one.images) for one in self.spool.series())

    def counted(self, text):
        """Wait until the metrics hold a line, and return whether they do."""
        last = time.monotonic() + 10
        while time.monotonic() < last:
            if text in generate_latest(self._metrics.registry).decode():
                return True
            time.sleep(0.02)
        return False


def config_of(tmp_path, callers=((SENDER, "127.0.0.1"),), listen=None, **limits):
    return NodeConfig.model_validate(
        {
            "spool": tmp_path / "spool",
            "listen": {"port": free_port(), **(listen or {})},
            "callers": [{"ae_title": title, "address": address} for title, address in callers],
            "destinations": [{"name": "archive", "ae_title": "A", "address": LOOPBACK, "port": 104}],
            "limits": {"free_bytes": 0, **limits},
        }
    )


@contextmanager
def receiving(config):
    limits, metrics = config.limits, NodeMetrics()
    with Spool(
        config.spool,
        instances_per_study=limits.instances_per_study,
        bytes_per_study=limits.bytes_per_study,
        free_bytes=limits.free_bytes,
    ) as spool:
        receiver = Receiver(config, spool, metrics)
        receiver.start()
        try:
            yield Running(receiver, spool, metrics)
        finally:
            receiver.close()


@pytest.fixture
def images(tmp_path):
    return phantom_series(tmp_path / "series", 1, 2, size=64)


def associated(port, *contexts, title=SENDER, called=NODE, tls=None):
    entity = AE(title)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = 10
    CLIENTS.append(entity.associate(LOOPBACK, port, list(contexts), ae_title=called, tls_args=tls))
    return CLIENTS[-1]


def status_of(port, image, syntax=None):
    """Send an image and return the status."""
    context = build_context(image.SOPClassUID, syntax or image.file_meta.TransferSyntaxUID)
    association = associated(port, context)
    assert association.is_established
    try:
        return association.send_c_store(image).Status
    finally:
        association.release()


def status_of_bytes(association, content, instance):
    """Send an encoded data set in the context of MR, whatever it is, and return the status."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MRImageStorage, instance
    request.DataSet = io.BytesIO(content)
    association._reactor_checkpoint.clear()  # as send_c_store does: else the association takes the answer
    while not association._is_paused:
        time.sleep(0.001)
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status


def test_an_image_is_in_the_spool_with_its_bytes_when_it_is_acknowledged(tmp_path, images):
    with receiving(config_of(tmp_path)) as node:
        assert send(node.port, images[0])

        (series,) = node.spool.series()
        (path,) = series.paths(series.images)
        assert dcmread(path) == dcmread(images[0])
        assert node.counted('gadolin_node_instances_total{outcome="stored"} 1.0')


def test_an_image_that_comes_again_is_acknowledged_and_kept_once(tmp_path, images):
    with receiving(config_of(tmp_path)) as node:
        assert send(node.port, images[0])
        assert send(node.port, images[0])

        assert node.images() == 1
        assert node.counted('outcome="repeated"} 1.0')


def test_verification_is_answered(tmp_path):
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(Verification))
        assert association.send_c_echo().Status == SUCCESS
        association.release()


def test_every_transfer_syntax_of_the_readers_is_accepted(tmp_path):
    wanted = [*DECODER_DEPENDENCIES, uid.RLELossless, uid.DeflatedExplicitVRLittleEndian, uid.ExplicitVRBigEndian]
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, *(build_context(MRImageStorage, one) for one in wanted))
        accepted = {one.transfer_syntax[0] for one in association.accepted_contexts}
        association.release()

    assert accepted == set(wanted)


def test_a_deflated_image_is_stored(tmp_path, images):
    image = dcmread(images[0])
    image.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    with receiving(config_of(tmp_path)) as node:
        assert status_of(node.port, image) == SUCCESS
        assert node.images() == 1


def test_ct_is_not_accepted(tmp_path):
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(CTImageStorage), build_context(Verification))
        assert [one.abstract_syntax for one in association.accepted_contexts] == [Verification]
        association.release()


@pytest.mark.parametrize(("title", "called"), [("STRANGER", NODE), (SENDER, "OTHER")])
def test_an_unknown_title_is_rejected(tmp_path, title, called):
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(Verification), title=title, called=called)
        assert association.is_rejected
        assert node.counted("gadolin_node_associations_total{outcome=")
        assert associated(node.port, build_context(Verification)).is_established


def test_a_title_counts_only_from_its_own_address(tmp_path):
    callers = (("NEAR", "127.0.0.1"), (SENDER, "10.0.0.0/8"))
    with receiving(config_of(tmp_path, callers)) as node:
        assert associated(node.port, build_context(Verification), title=SENDER).is_rejected
        assert associated(node.port, build_context(Verification), title="NEAR").is_established


def test_an_unknown_address_is_closed_before_it_speaks(tmp_path):
    with receiving(config_of(tmp_path, ((SENDER, "10.0.0.0/8"),))) as node:
        with socket.create_connection((LOOPBACK, node.port)) as connection:
            assert connection.recv(1) == b""
        assert node.counted('reason="unknown_address"} 1.0')


def test_an_image_of_another_uid_than_the_request_is_refused(tmp_path, images, monkeypatch):
    image = dcmread(images[0])
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(MRImageStorage, image.file_meta.TransferSyntaxUID))
        monkeypatch.setattr(C_STORE, "AffectedSOPInstanceUID", property(lambda self: uid.UID("1.2.3"), lambda *_: None))
        status = association.send_c_store(image)
        monkeypatch.undo()
        association.release()

        assert status.Status == 0xA900
        assert node.images() == 0


def test_a_ct_in_the_context_of_mr_is_refused(tmp_path, images, caplog):
    image = dcmread(images[0])
    image.SOPClassUID = CTImageStorage
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(MRImageStorage, image.file_meta.TransferSyntaxUID))
        content = encode(image, image.file_meta.TransferSyntaxUID.is_implicit_VR, True)

        assert status_of_bytes(association, content, image.SOPInstanceUID) == 0xA900
        assert node.images() == 0
    assert "an image was refused with status A900: other instance" in caplog.text


def test_a_data_set_of_millions_of_items_is_refused_quickly(tmp_path):
    items = struct.pack("<HH2sHI", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 2**20
    with receiving(config_of(tmp_path)) as node:
        association = associated(node.port, build_context(MRImageStorage, uid.ExplicitVRLittleEndian))

        assert status_of_bytes(association, items, "1.2.3") == 0xC000
        assert node.counted('outcome="malformed"} 1.0')


def test_the_same_warning_is_logged_once_a_minute(tmp_path, caplog):
    with receiving(config_of(tmp_path)) as node:
        for _ in range(3):
            assert associated(node.port, build_context(Verification), title="STRANGER").is_rejected
        assert node.counted('outcome="unknown_caller"} 3.0')

    assert [one.message for one in caplog.records if one.name == "gadolin"] == [
        "an association was rejected: its AE title is not among the callers of its address"
    ]


def test_an_image_without_a_series_is_refused(tmp_path, images):
    image = dcmread(images[0])
    del image.SeriesInstanceUID
    with receiving(config_of(tmp_path)) as node:
        assert status_of(node.port, image) == 0xC000
        assert node.images() == 0
        assert node.counted('outcome="malformed"} 1.0')


def test_a_full_spool_refuses_with_out_of_resources_and_keeps_what_it_has(tmp_path, images):
    with receiving(config_of(tmp_path, instances_per_study=1)) as node:
        assert status_of(node.port, dcmread(images[0])) == SUCCESS
        assert status_of(node.port, dcmread(images[1])) == 0xA700
        assert node.images() == 1


def test_a_pdu_that_is_too_long_closes_the_connection_at_once(tmp_path):
    with receiving(config_of(tmp_path)) as node, socket.create_connection((LOOPBACK, node.port)) as connection:
        connection.sendall(b"\x01\x00\xff\xff\xff\xff" + bytes(100))
        connection.settimeout(10)
        assert connection.recv(1) == b""
        assert node.counted('reason="pdu_too_long"} 1.0')


def test_an_image_that_is_too_large_ends_the_association(tmp_path, images):
    image = dcmread(images[0])
    image.add_new(0x7FE00010, "OW", bytes(2**22))
    with receiving(config_of(tmp_path, instance_bytes=2**16)) as node:
        association = associated(node.port, build_context(MRImageStorage, image.file_meta.TransferSyntaxUID))
        assert association.send_c_store(image).get("Status") is None
        assert node.images() == 0
        assert node.counted('reason="instance_too_large"} 1.0')


def test_images_that_are_too_large_together_end_the_association(tmp_path, images):
    image = dcmread(images[0])
    with receiving(config_of(tmp_path, receiving_bytes=2**12)) as node:
        association = associated(node.port, build_context(MRImageStorage, image.file_meta.TransferSyntaxUID))
        assert association.send_c_store(image).get("Status") is None
        assert node.counted('reason="too_many_bytes"} 1.0')
        assert associated(node.port, build_context(Verification)).is_established  # what it held is free again


@pytest.mark.slow
def test_a_silent_peer_is_cut_off(tmp_path):
    with receiving(config_of(tmp_path, silent_seconds=0.3)) as node:
        with socket.create_connection((LOOPBACK, node.port)) as connection:
            connection.settimeout(20)
            assert connection.recv(1) == b""
        association = associated(node.port, build_context(Verification))
        last = time.monotonic() + 20
        while association.is_established and time.monotonic() < last:
            time.sleep(0.05)
        assert not association.is_established


@pytest.mark.slow
def test_a_slow_peer_is_cut_off(tmp_path):
    with (
        receiving(config_of(tmp_path, message_seconds=0.5)) as node,
        socket.create_connection((LOOPBACK, node.port)) as connection,
    ):
        connection.sendall(b"\x01\x00\x00\x00\x10\x00")
        with pytest.raises(OSError, match=r"pipe|reset"):
            drip(connection)
        assert node.counted('reason="too_slow"} 1.0')


def drip(connection):
    for _ in range(200):
        connection.sendall(b"\x00")
        time.sleep(0.05)


@pytest.mark.slow
def test_connections_above_the_limit_are_rejected_and_the_others_served(tmp_path):
    with receiving(config_of(tmp_path, associations=2)) as node:
        first = [associated(node.port, build_context(Verification)) for _ in range(2)]
        assert associated(node.port, build_context(Verification)).is_rejected
        assert all(one.send_c_echo().Status == SUCCESS for one in first)
        for one in first:
            one.release()
        last = time.monotonic() + 10
        while not associated(node.port, build_context(Verification)).is_established:
            assert time.monotonic() < last
            time.sleep(0.1)


def test_many_silent_connections_leave_no_more_than_the_limit_open(tmp_path):
    with receiving(config_of(tmp_path, associations=1)) as node:
        silent = [socket.create_connection((LOOPBACK, node.port)) for _ in range(20)]
        try:
            assert node.counted('reason="too_many_connections"}')
        finally:
            for one in silent:
                one.close()


def test_an_address_in_use_is_one_error(tmp_path):
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        config = config_of(tmp_path, listen={"port": other.getsockname()[1]})
        with pytest.raises(OutputError, match="must be able to listen") as caught, receiving(config):
            pass

    assert caught.value.code == "address_in_use"


@pytest.fixture
def signed(tmp_path):
    """The TLS files of a node, and those of a client."""
    signer = authority(tmp_path)
    return signer, certificate(tmp_path, "node", signer), certificate(tmp_path, "client", signer)


def client_tls(signer, pair):
    context = ssl.create_default_context(cafile=signer.certificate)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context, LOOPBACK


@NEEDS_OPENSSL
@pytest.mark.slow
def test_tls_needs_a_certificate_of_the_authority(tmp_path, signed, images):
    signer, node_pair, client = signed
    (tmp_path / "other").mkdir()
    stranger = authority(tmp_path / "other")
    tls = {"certificate": node_pair.certificate, "key": node_pair.key, "authorities": signer.certificate}
    with receiving(config_of(tmp_path, listen={"tls": tls}, silent_seconds=5)) as node:
        silent = socket.create_connection((LOOPBACK, node.port))  # must not keep others waiting
        association = associated(node.port, build_context(Verification), tls=client_tls(signer, client))
        assert association.send_c_echo().Status == SUCCESS
        association.release()
        for pair in (None, certificate(tmp_path / "other", "client", stranger)):
            assert not associated(node.port, build_context(Verification), tls=client_tls(signer, pair)).is_established
        assert not send(node.port, images[0])  # without TLS
        assert node.counted('reason="tls_handshake"}')
        silent.close()
        assert node.images() == 0


@NEEDS_OPENSSL
def test_tls_files_that_do_not_belong_together_are_one_error(tmp_path, signed):
    signer, node_pair, client = signed
    tls = {"certificate": node_pair.certificate, "key": client.key, "authorities": signer.certificate}

    with (
        pytest.raises(RequestError, match="must be valid PEM files") as caught,
        receiving(config_of(tmp_path, listen={"tls": tls})),
    ):
        pass

    assert caught.value.code == "tls_files_invalid"
