"""The series of a study are answered: what is retrieved, stored, left out and reported."""

from __future__ import annotations

import io
import stat
import tempfile

import pytest
from pydicom import dcmread

from fake_archive import STUDY, FakeArchive, series_of
from gadolin.dicom_network import dicomweb_study
from gadolin.dicom_network.dicomweb_study import SeriesAnswerer, require_uid
from gadolin.dicom_results.objects import images_of
from gadolin.errors import ArchiveError, OutputError, RequestError
from gadolin.models.predictor import Predictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return Predictor.load(make_bundle().folder)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which must be empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def answer(predictor):
    """Answer the study of an archive."""

    def run(archive, series=None):
        return SeriesAnswerer(archive, predictor).answer_study(STUDY, series)

    return run


def error(code, **more):
    return ArchiveError(code=code, rule="the archive must work", **more)


def reports(archive):
    return [one for one in archive.headers(STUDY) if one.Modality == "SR"]


def test_each_mr_series_gets_a_report_about_its_images(answer):
    archive = FakeArchive(*series_of(3), *series_of(2, number=2, quadrant=1))
    done = answer(archive)
    assert [(one.series.number, one.slices, one.answered) for one in done.series] == [("1", 3, 3), ("2", 2, 2)]
    assert (done.failures, done.left_out) == ((), ())
    assert [sorted(images_of(one)) for one in reports(archive)] == [
        [f"{STUDY}.1.{place}" for place in (1, 2, 3)],
        [f"{STUDY}.2.{place}" for place in (1, 2)],
    ]
    assert {str(one.StudyInstanceUID) for one in archive.headers(None)} == {STUDY}
    (sent,) = (one.objects for one in done.series[:1])
    assert [(one.kind, one.is_new) for one in sent] == [("report", True)]


def test_a_second_run_sends_nothing(answer):
    archive = FakeArchive(*series_of(3))
    answer(archive)
    before = dict(archive.files)
    done = answer(archive)
    assert archive.files == before
    assert archive.sent[1:] == [[]]
    assert [one.is_new for one in done.series[0].objects] == [False]


def test_a_late_slice_makes_a_new_set_and_rejects_the_old_one(answer):
    files = series_of(3)
    archive = FakeArchive(*files[:2])
    answer(archive)
    (old,) = reports(archive)
    archive.add(files[2])
    done = answer(archive)
    assert [(one.kind, one.is_new) for one in done.series[0].objects] == [("report", True), ("rejection", True)]
    (note,) = (one for one in archive.headers(STUDY) if one.Modality == "KO")
    assert images_of(note) == {str(old.SOPInstanceUID)}
    assert [one.kind for one in answer(archive).series[0].objects] == ["report"]


def test_progress_counts_what_is_retrieved_and_predicted(predictor):
    seen = []
    answerer = SeriesAnswerer(FakeArchive(*series_of(2)), predictor)
    answerer.answer_study(STUDY, progress=lambda done, total, what: seen.append((done, total, what)))
    assert [one for one in seen if one[2] == "retrieving"] == [(0, 2, "retrieving"), (1, 2, "retrieving")]
    assert {one[2] for one in seen} > {"retrieving"}


def test_one_series_can_be_chosen(answer):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    done = answer(archive, f"{STUDY}.2")
    assert [one.series.series for one in done.series] == [f"{STUDY}.2"]
    assert len(reports(archive)) == 1


def test_other_modalities_are_left_out_and_our_own_results_are_not_listed(answer):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2, Modality="CT"))
    for _ in range(2):
        done = answer(archive)
        assert [(one.path, one.code) for one in done.left_out] == [("series 2", "other_modality")]
        assert done.failures == ()


@pytest.mark.parametrize(
    ("files", "series", "code"),
    [
        ((), None, "not_in_archive"),
        (series_of(1), f"{STUDY}.9", "not_in_archive"),
        (series_of(1, Modality="CT"), None, "other_modality"),
        ([*series_of(1), *series_of(1, number=2, Modality="CT")], f"{STUDY}.2", "other_modality"),
    ],
    ids=["no study", "no series", "no MR", "not MR"],
)
def test_a_request_without_an_mr_series_is_refused(answer, files, series, code):
    with pytest.raises(RequestError) as raised:
        answer(FakeArchive(*files), series)
    assert raised.value.code == code


def test_a_localiser_is_left_out(answer):
    archive = FakeArchive(*series_of(3, planes=True), *series_of(1, number=2))
    done = answer(archive)
    assert [one.series.number for one in done.series] == ["2"]
    assert [(one.path, one.code) for one in done.left_out] == [
        (f"series 1, image {place}", "localiser") for place in (1, 2, 3)
    ]


def test_a_study_of_a_localiser_only_is_refused(answer):
    archive = FakeArchive(*series_of(3, planes=True))
    with pytest.raises(RequestError) as raised:
        answer(archive)
    assert raised.value.code == "localiser"
    assert raised.value.path == "series 1, image 1"


def test_a_damaged_image_is_reported_by_its_number_and_the_others_are_answered(answer):
    first, second, third = series_of(3)
    archive = FakeArchive(first, second, third)
    archive.files[f"{STUDY}.1.2"] = second[:-1000]
    done = answer(archive)
    (failure,) = done.failures
    assert failure.path == "series 1, image 2"
    assert failure.error.path == failure.path
    assert done.series[0].slices == 2


@pytest.mark.parametrize("code", ["archive_lacks_object", "archive_answer_invalid", "archive_answer_too_large"])
def test_an_image_that_cannot_be_retrieved_is_reported_and_the_others_are_answered(answer, code, monkeypatch):
    archive = FakeArchive(*series_of(2))
    retrieve = archive.retrieve

    def lacking(study, series, instance, path):
        if instance.endswith("2"):
            path.write_bytes(b"part")
            raise error(code)
        retrieve(study, series, instance, path)

    monkeypatch.setattr(archive, "retrieve", lacking)
    done = answer(archive)
    assert [(one.path, one.code) for one in done.failures] == [("series 1, image 2", code)]
    assert done.series[0].slices == 1


@pytest.mark.parametrize("code", ["archive_refused", "archive_tls_failed", "archive_too_slow", "archive_unreachable"])
def test_an_archive_that_is_gone_ends_the_study(answer, code):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    archive.failing["retrieve"] = error(code)
    with pytest.raises(ArchiveError) as raised:
        answer(archive)
    assert raised.value.code == code
    assert archive.calls["retrieve"] == 1
    assert archive.sent == []


def test_a_series_that_cannot_be_stored_does_not_stop_the_others(answer, monkeypatch):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    store = archive.store

    def refusing(contents):
        if not reports(archive) and archive.calls["store"] == 0:
            archive.calls["store"] += 1
            list(contents)
            raise error("archive_stored_partly")
        store(contents)

    monkeypatch.setattr(archive, "store", refusing)
    done = answer(archive)
    assert [(one.path, one.code) for one in done.failures] == [("series 1", "archive_stored_partly")]
    assert [one.series.number for one in done.series] == ["2"]


def test_the_first_error_is_raised_if_no_series_is_answered(answer):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    archive.failing["store"] = error("archive_stored_partly")
    with pytest.raises(ArchiveError) as raised:
        answer(archive)
    assert (raised.value.code, raised.value.path) == ("archive_stored_partly", "series 1")


def test_a_series_of_too_many_images_is_not_retrieved(answer, monkeypatch):
    monkeypatch.setattr(dicomweb_study, "MOST_SLICES", 2)
    archive = FakeArchive(*series_of(3))
    with pytest.raises(RequestError) as raised:
        answer(archive)
    assert raised.value.code == "too_many_slices_in_series"
    assert archive.calls["retrieve"] == 0


def test_a_series_of_too_many_bytes_is_refused(answer, monkeypatch):
    files = series_of(3)
    monkeypatch.setattr(dicomweb_study, "_MOST_BYTES", len(files[0]) + 1)
    archive = FakeArchive(*files)
    with pytest.raises(RequestError) as raised:
        answer(archive)
    assert raised.value.code == "series_too_large"
    assert archive.calls["retrieve"] == 2


def test_images_of_another_study_than_requested_are_not_answered(answer):
    archive = FakeArchive(*series_of(1))
    archive.files[f"{STUDY}.1.1"] = series_of(1, study="1.2.9")[0]
    archive.headers = lambda study: [dcmread(io.BytesIO(series_of(1)[0]))]
    with pytest.raises(ArchiveError) as raised:
        answer(archive)
    assert raised.value.code == "other_series_retrieved"
    assert archive.sent == []


def test_images_are_in_a_folder_of_the_user_only_until_they_are_answered(answer, temporary, monkeypatch):
    archive = FakeArchive(*series_of(1))
    seen = []
    store = archive.store

    def storing(contents):
        found = list(contents)
        seen.extend((stat.S_IMODE(one.stat().st_mode), len(list(one.iterdir()))) for one in temporary.iterdir())
        store(found)

    monkeypatch.setattr(archive, "store", storing)
    answer(archive)
    assert seen[0] == (0o700, 1)


def test_an_interruption_deletes_the_images(answer, temporary):
    archive = FakeArchive(*series_of(2))
    archive.failing["store"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        answer(archive)
    assert list(temporary.iterdir()) == []


def test_a_full_disk_is_an_error_without_a_path(answer):
    archive = FakeArchive(*series_of(2))
    archive.failing["retrieve"] = OSError(28, "No space left on device", "/tmp/x")
    with pytest.raises(OutputError) as raised:
        answer(archive)
    assert raised.value.code == "unwritable"
    assert "No space left on device" in str(raised.value)
    assert "/tmp/x" not in str(raised.value)


def test_a_series_is_answered_already_if_a_valid_report_of_this_model_is_about_all_its_images(
    predictor, make_bundle, answer
):
    files = series_of(3)
    archive = FakeArchive(*files[:2])
    answerer = SeriesAnswerer(archive, predictor)

    def is_answered(one=answerer):
        found = archive.series(STUDY, modality="MR")[0]
        return one.is_answered(found, one.kept(STUDY))

    assert not is_answered()
    answer(archive)
    assert is_answered()
    assert not is_answered(SeriesAnswerer(archive, predictor, overlays=True))
    other = Predictor.load(make_bundle(confidence_threshold=0.9).folder)
    assert other.bundle.digest != predictor.bundle.digest
    assert not is_answered(SeriesAnswerer(archive, other))
    archive.add(files[2])
    assert not is_answered()
    answer(archive)
    assert is_answered()


@pytest.mark.parametrize("uid", ["", "1.2/3", "1..2", "1." * 40, "x"])
def test_a_uid_that_is_none_is_refused(uid):
    require_uid("1.2.3")
    require_uid(None)
    with pytest.raises(RequestError) as raised:
        require_uid(uid)
    assert raised.value.code == "uid_invalid"
